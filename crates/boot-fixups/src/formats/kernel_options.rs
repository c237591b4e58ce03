//! What a boot loader says to the kernel: a line of words, some in quotes.
//!
//! The line may be a boot loader's own (`linux /vmlinuz root=/dev/sda1 ro`), an entry's
//! (`options root=...`), or a value in a settings file; each is cut down to its options first.

/// The console that a target's serial port is read from, the screen before it: the kernel takes
/// the last one for its own messages and for early user space.
pub(crate) const CONSOLES: [&str; 2] = ["console=tty0", "console=ttyS0,115200n8"];

/// What becomes of options.
pub(crate) struct Rules<'a> {
    /// Another name for the device in `root=`; none leaves it.
    pub(crate) root: &'a dyn Fn(&str) -> Option<String>,
    /// What becomes of the device in `resume=`.
    pub(crate) resume: &'a dyn Fn(&str) -> Resume,
    /// Whether the kernel has to talk on the serial port.
    pub(crate) serial_console: bool,
}

/// What becomes of the device that a hibernated system would be resumed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    /// It stays.
    Keep,
    /// It has another name.
    Rename(String),
    /// It is not on the target; waiting for it costs half a minute at each start.
    Drop,
}

/// The words of a line of options; blanks between quotes are parts of words.
fn words(options: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut begin = None;
    let mut quoted = false;
    for (at, letter) in options.char_indices() {
        if letter == '"' {
            quoted = !quoted;
        }
        match (letter.is_ascii_whitespace() && !quoted, begin) {
            (false, None) => begin = Some(at),
            (true, Some(from)) => {
                found.extend(options.get(from..at));
                begin = None;
            }
            _ => {}
        }
    }
    if let Some(from) = begin {
        found.extend(options.get(from..));
    }
    found
}

/// The options with the rules applied. Blanks at both ends stay.
pub(crate) fn rewrite(options: &str, rules: &Rules<'_>) -> String {
    let mut new: Vec<String> = Vec::new();
    let old = words(options);
    for word in &old {
        if let Some(device) = word.strip_prefix("root=") {
            let name = (rules.root)(device);
            new.push(name.map_or_else(|| (*word).to_owned(), |name| format!("root={name}")));
        } else if let Some(device) = word.strip_prefix("resume=") {
            match (rules.resume)(device) {
                Resume::Keep => new.push((*word).to_owned()),
                Resume::Rename(name) => new.push(format!("resume={name}")),
                Resume::Drop => {}
            }
        } else {
            new.push((*word).to_owned());
        }
    }
    if rules.serial_console && !old.iter().any(|word| is_serial_console(word)) {
        let has_screen = old.iter().any(|word| word.starts_with("console=tty0"));
        let missing = if has_screen { 1 } else { 0 };
        new.extend(CONSOLES.iter().skip(missing).map(|word| (*word).to_owned()));
    }
    if new.iter().map(String::as_str).eq(old.iter().copied()) {
        return options.to_owned();
    }
    let trimmed = options.trim();
    let (before, after) = match options.find(trimmed) {
        Some(at) if !trimmed.is_empty() => (
            options.get(..at).unwrap_or_default(),
            options.get(at + trimmed.len()..).unwrap_or_default(),
        ),
        _ => ("", ""),
    };
    format!("{before}{}{after}", new.join(" "))
}

fn is_serial_console(word: &str) -> bool {
    word == "console=ttyS0" || word.starts_with("console=ttyS0,")
}

/// How a file says what the kernel is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// GRUB's commands, old or new: the options follow the kernel's image on its line.
    Grub,
    /// Entries of the Boot Loader Specification, and extlinux: options have a line of their own.
    Entries,
}

/// Passes the options of each line that has some for a kernel through `edit`.
///
/// Entries that GRUB found on other disks belong to other systems and are left alone.
pub(crate) fn edit_boot_lines(text: &str, syntax: Syntax, edit: &dyn Fn(&str) -> String) -> String {
    let mut others = false;
    let mut new = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if line.starts_with("### BEGIN ") {
            others = line.contains("30_os-prober");
        } else if line.starts_with("### END ") {
            others = false;
        }
        let options_at = (!others).then(|| options_at(line, syntax)).flatten();
        match options_at
            .and_then(|(from, to)| Some((line.get(..from)?, line.get(from..to)?, line.get(to..)?)))
        {
            Some((before, options, after)) => {
                let edited = edit(options);
                new.push_str(before);
                if options.trim().is_empty() && !edited.trim().is_empty() && !before.ends_with('"')
                {
                    new.push(' ');
                }
                new.push_str(&edited);
                new.push_str(after);
            }
            None => new.push_str(line),
        }
    }
    new
}

/// Where the options for the kernel are in a line, if it has some.
fn options_at(line: &str, syntax: Syntax) -> Option<(usize, usize)> {
    let end = line.trim_end().len();
    let indent = line.len() - line.trim_start().len();
    let mut parts = line.get(indent..end)?.split_ascii_whitespace();
    match (syntax, parts.next()?) {
        (Syntax::Grub, "linux" | "linux16" | "linuxefi" | "kernel") => {
            let image = parts.next()?;
            // The image's name may be part of the command's.
            let after_command = line.get(..indent)?.len() + line.trim_start().find([' ', '\t'])?;
            let from = after_command + line.get(after_command..)?.find(image)? + image.len();
            // A test of the memory takes other options.
            let starts_linux = image.contains('/') && !image.contains("memtest");
            starts_linux.then_some((from, end))
        }
        (Syntax::Grub, "set") => {
            let key = parts.next()?.split('=').next()?;
            if !matches!(key, "kernelopts" | "default_kernelopts") {
                return None;
            }
            let from = line.find('"')? + 1;
            let to = line.rfind('"')?;
            (from <= to).then_some((from, to))
        }
        (Syntax::Entries, word @ ("options" | "append" | "APPEND")) => {
            Some((indent + word.len(), end))
        }
        _ => None,
    }
}

/// Whether a configuration of GRUB has any line that starts a kernel.
pub(crate) fn starts_a_kernel(text: &str) -> bool {
    text.lines()
        .any(|line| options_at(line, Syntax::Grub).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules<'static> {
        Rules {
            root: &|device| (device == "/dev/sda1").then(|| "UUID=aa".to_owned()),
            resume: &|device| match device {
                "/dev/sda5" => Resume::Rename("UUID=bb".to_owned()),
                "/dev/sdz1" => Resume::Drop,
                _ => Resume::Keep,
            },
            serial_console: true,
        }
    }

    #[test]
    fn grub_lines_keep_all_but_the_devices() {
        let text = "set root='hd0,msdos1'\n\tlinux\t/boot/vmlinuz-6 root=/dev/sda1 ro quiet\n\
                    \tlinux16 /vmlinuz root=/dev/sda1 resume=/dev/sda5 dyndbg=\"file a +p\"\n\
                    kernel /vmlinuz-2 ro root=LABEL=/ resume=/dev/sdz1\n\
                    ### BEGIN /etc/grub.d/30_os-prober ###\nlinux /x root=/dev/sda1\n### END /etc/grub.d/30_os-prober ###\n";
        let once = edit_boot_lines(text, Syntax::Grub, &|options| rewrite(options, &rules()));
        insta::assert_snapshot!(once, @r#"
        set root='hd0,msdos1'
        	linux	/boot/vmlinuz-6 root=UUID=aa ro quiet console=tty0 console=ttyS0,115200n8
        	linux16 /vmlinuz root=UUID=aa resume=UUID=bb dyndbg="file a +p" console=tty0 console=ttyS0,115200n8
        kernel /vmlinuz-2 ro root=LABEL=/ console=tty0 console=ttyS0,115200n8
        ### BEGIN /etc/grub.d/30_os-prober ###
        linux /x root=/dev/sda1
        ### END /etc/grub.d/30_os-prober ###
        "#);
        let twice = edit_boot_lines(&once, Syntax::Grub, &|options| rewrite(options, &rules()));
        assert_eq!(once, twice);
    }

    #[test]
    fn entries_have_options_on_a_line_of_their_own() {
        let edit =
            |text, syntax| edit_boot_lines(text, syntax, &|options| rewrite(options, &rules()));
        assert_eq!(
            edit(
                "linux /vmlinuz-6\ninitrd /i\noptions root=/dev/sda1 ro\n",
                Syntax::Entries
            ),
            "linux /vmlinuz-6\ninitrd /i\noptions root=UUID=aa ro console=tty0 console=ttyS0,115200n8\n"
        );
        assert_eq!(
            edit("LABEL a\n  LINUX /vmlinuz\n  APPEND\n", Syntax::Entries),
            "LABEL a\n  LINUX /vmlinuz\n  APPEND console=tty0 console=ttyS0,115200n8\n"
        );
        assert_eq!(
            edit("linux /linux\n", Syntax::Grub),
            "linux /linux console=tty0 console=ttyS0,115200n8\n"
        );
        assert_eq!(
            edit("linux /boot/memtest86.bin\n", Syntax::Grub),
            "linux /boot/memtest86.bin\n"
        );
    }

    #[test]
    fn a_serial_console_that_is_there_is_left_as_it_is() {
        let options = " root=UUID=aa console=ttyS0,9600 ";
        assert_eq!(rewrite(options, &rules()), options);
        assert_eq!(
            rewrite("console=tty0", &rules()),
            "console=tty0 console=ttyS0,115200n8"
        );
        assert_eq!(rewrite("", &rules()), "console=tty0 console=ttyS0,115200n8");
    }
}
