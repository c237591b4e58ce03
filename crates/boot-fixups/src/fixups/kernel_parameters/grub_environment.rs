//! GRUB's environment block: lines filled up with `#` to a fixed length, because GRUB itself
//! writes into it in place.

const LENGTH: usize = 1024;
const KEY: &str = "kernelopts=";

/// The block with the options in `kernelopts` passed through `edit`. What would not fit any more
/// stays as it was.
pub(super) fn edit(block: &str, edit: &dyn Fn(&str) -> String) -> String {
    let content = block.trim_end_matches('#');
    let new: String = content
        .split_inclusive('\n')
        .map(|line| {
            let (body, end) = line
                .strip_suffix('\n')
                .map_or((line, ""), |body| (body, "\n"));
            match body.strip_prefix(KEY) {
                Some(options) => format!("{KEY}{}{end}", edit(options)),
                None => line.to_owned(),
            }
        })
        .collect();
    if new == content || new.len() > LENGTH {
        return block.to_owned();
    }
    let filling = "#".repeat(LENGTH - new.len());
    format!("{new}{filling}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_keeps_its_length() {
        let content = "# GRUB Environment Block\nsaved_entry=x\nkernelopts=root=/dev/sda1 ro \n";
        let block = format!("{content}{}", "#".repeat(1024 - content.len()));
        let new = edit(&block, &|options| {
            options.replace("/dev/sda1", "UUID=aa-bb")
        });
        assert_eq!(new.len(), 1024);
        assert!(new.contains("kernelopts=root=UUID=aa-bb ro \n#"));
        assert_eq!(
            edit(&block, &|options| format!("{options}{}", "x".repeat(1024))),
            block
        );
        let plain = edit("", &|_| unreachable!());
        assert_eq!(plain, "");
    }
}
