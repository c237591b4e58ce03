//! Commands of GRUB that exist for one firmware alone. Generators of Red Hat write `linux16` for
//! BIOS and `linuxefi` for UEFI; a system that changes its firmware would be told of an unknown
//! command. `linux` is known to both.

/// Commands that a GRUB for BIOS does not have, and what to say instead.
pub(crate) const OF_UEFI: [(&str, &str); 2] = [("linuxefi", "linux"), ("initrdefi", "initrd")];
/// Commands that a GRUB for UEFI does not have, and what to say instead.
pub(crate) const OF_BIOS: [(&str, &str); 2] = [("linux16", "linux"), ("initrd16", "initrd")];

/// The text with commands replaced where they begin a line. The memory's test, which `linux16`
/// starts, is left alone.
pub(crate) fn replaced(text: &str, commands: [(&str, &str); 2]) -> String {
    text.split_inclusive('\n')
        .map(|line| {
            let body = line.trim_start();
            let indent = line.get(..line.len() - body.len()).unwrap_or_default();
            let found = commands.iter().find_map(|(old, new)| {
                let rest = body.strip_prefix(old)?;
                (rest.starts_with([' ', '\t']) && !rest.contains("memtest"))
                    .then(|| format!("{indent}{new}{rest}"))
            });
            found.unwrap_or_else(|| line.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_replaced_where_they_begin_a_line() {
        let text = "\tlinux16 /vmlinuz root=x linux16\n\tinitrd16 /initrd\nlinux16 /memtest\n";
        assert_eq!(
            replaced(text, OF_BIOS),
            "\tlinux /vmlinuz root=x linux16\n\tinitrd /initrd\nlinux16 /memtest\n"
        );
        assert_eq!(replaced(text, OF_UEFI), text);
    }
}
