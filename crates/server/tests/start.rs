//! What a control plane leaves in its directory, and what survives a restart.
