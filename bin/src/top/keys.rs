//! Keys of the terminal.

/// Key that `top` knows, or a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Escape,
    Backspace,
    Character(char),
}

/// Escape sequences of keys, after the escape character.
const SEQUENCES: [(&str, Key); 12] = [
    ("[A", Key::Up),
    ("OA", Key::Up),
    ("[B", Key::Down),
    ("OB", Key::Down),
    ("[5~", Key::PageUp),
    ("[6~", Key::PageDown),
    ("[H", Key::Home),
    ("OH", Key::Home),
    ("[1~", Key::Home),
    ("[F", Key::End),
    ("OF", Key::End),
    ("[4~", Key::End),
];

/// Parses what the terminal sent. Unknown escape sequences are ignored.
pub(super) fn parse_keys(bytes: &[u8]) -> Vec<Key> {
    let text = String::from_utf8_lossy(bytes);
    let mut rest: &str = &text;
    let mut keys = Vec::new();
    while let Some(first) = rest.chars().next() {
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
        match first {
            '\x1b' => {
                let known = SEQUENCES.iter().find(|(sequence, _)| rest.starts_with(sequence));
                if let Some((sequence, key)) = known {
                    keys.push(*key);
                    rest = rest.get(sequence.len()..).unwrap_or_default();
                } else if rest.starts_with(['[', 'O']) {
                    let end = rest.find(|c: char| c.is_ascii_alphabetic() || c == '~');
                    rest = rest.get(end.unwrap_or(rest.len()) + 1..).unwrap_or_default();
                } else {
                    keys.push(Key::Escape);
                }
            }
            '\r' | '\n' => keys.push(Key::Enter),
            '\x08' | '\x7f' => keys.push(Key::Backspace),
            c if c.is_control() => {}
            c => keys.push(Key::Character(c)),
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_characters_and_escape_sequences() {
        let keys = parse_keys(b"j\x1b[A\x1b[6~\x1b[1;5C/\xc3\xa4\x7f\r\x1b");
        let expect = [
            Key::Character('j'),
            Key::Up,
            Key::PageDown,
            // The rest of the sequence is not a key.
            Key::Character('/'),
            Key::Character('ä'),
            Key::Backspace,
            Key::Enter,
            Key::Escape,
        ];
        assert_eq!(keys, expect);
    }
}
