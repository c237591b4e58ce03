//! Files of `KEY=value` lines as shells read them: `os-release`, `/etc/default/grub`, `ifcfg-*`.

/// The value of `key`, without quotes; of several the last one, as a shell would see it.
pub(crate) fn get(text: &str, key: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| value_of(line, key))
        .next_back()
        .map(unquote)
}

/// The text with `key` set to `value`: in the last line that sets it, else at the end.
/// An empty text is a new file.
pub(crate) fn set(text: &str, key: &str, value: &str) -> String {
    let quote = quote_of(text, key).or_else(|| needs_quotes(value).then_some('"'));
    let wanted = match quote {
        Some(quote) => format!("{key}={quote}{value}{quote}"),
        None => format!("{key}={value}"),
    };
    let last = text
        .lines()
        .enumerate()
        .filter(|(_, line)| value_of(line, key).is_some())
        .map(|(number, _)| number)
        .last();
    let Some(last) = last else {
        let mut new = text.to_owned();
        if !new.is_empty() && !new.ends_with('\n') {
            new.push('\n');
        }
        new.push_str(&wanted);
        new.push('\n');
        return new;
    };
    if get(text, key).as_deref() == Some(value) {
        return text.to_owned();
    }
    let line_with_end = |(number, line): (usize, &str)| {
        if number != last {
            return line.to_owned();
        }
        let end = if line.ends_with('\n') { "\n" } else { "" };
        format!("{wanted}{end}")
    };
    text.split_inclusive('\n')
        .enumerate()
        .map(line_with_end)
        .collect()
}

/// The text without lines that set a key for which `drop` is true.
pub(crate) fn without(text: &str, drop: impl Fn(&str) -> bool) -> String {
    text.split_inclusive('\n')
        .filter(|line| !key_of(line).is_some_and(&drop))
        .collect()
}

fn key_of(line: &str) -> Option<&str> {
    let (key, _) = line.trim_start().split_once('=')?;
    let is_key = !key.is_empty()
        && key
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    is_key.then_some(key)
}

fn value_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    if key_of(line)? != key {
        return None;
    }
    line.split_once('=').map(|(_, value)| value.trim())
}

fn unquote(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote)
            && let Some((inner, _)) = rest.rsplit_once(quote)
        {
            return inner.to_owned();
        }
    }
    value
        .split(" #")
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The quotes around the present value; else those that are usual in the file, if any are.
fn quote_of(text: &str, key: &str) -> Option<char> {
    let quote = |value: &str| value.chars().next().filter(|first| "\"'".contains(*first));
    let values = || text.lines().filter_map(|line| value_of(line, key));
    match values().next_back() {
        Some(value) if !value.is_empty() => quote(value),
        _ => text
            .lines()
            .filter_map(|line| line.split_once('='))
            .find_map(|(_, value)| quote(value.trim())),
    }
}

/// Whether a shell would take a bare value for something else.
fn needs_quotes(value: &str) -> bool {
    !value
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || "._-+:/,@%=".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_counts_and_quotes_are_no_part_of_it() {
        let text = "A=1\nB=\"two words\" # why\nC='x'\n#A=0\nA=2\n";
        assert_eq!(get(text, "A").as_deref(), Some("2"));
        assert_eq!(get(text, "B").as_deref(), Some("two words"));
        assert_eq!(get(text, "C").as_deref(), Some("x"));
        assert_eq!(get(text, "D"), None);
    }

    #[test]
    fn setting_changes_one_line_in_the_manner_of_the_file() {
        assert_eq!(set("A='1'\nB=2\n", "A", "3"), "A='3'\nB=2\n");
        assert_eq!(set("A=\"1\"\n", "B", "x y"), "A=\"1\"\nB=\"x y\"\n");
        assert_eq!(set("A=1", "B", "2"), "A=1\nB=2\n");
        assert_eq!(set("A=\n", "A", "x y"), "A=\"x y\"\n");
        assert_eq!(set("A=1\n", "A", "x y"), "A=\"x y\"\n");
        let same = "A=\"1\"\n";
        assert_eq!(set(same, "A", "1"), same);
        assert_eq!(
            without("A=1\nB=2\n# A=3\n", |key| key == "A"),
            "B=2\n# A=3\n"
        );
    }
}
