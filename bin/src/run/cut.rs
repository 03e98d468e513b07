//! Places at which a long line may be cut: between characters as a reader sees them.

/// Farthest distance of a cut from the limit, in bytes; longer than an emoji of several people.
const MAX_BACK: usize = 64;
const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// Returns where to cut a text: at most at `limit`, and neither in a character of UTF-8 nor before
/// a mark that belongs to the character before it.
pub(super) fn cut_position(text: &[u8], limit: usize) -> usize {
    let candidates = || (limit.saturating_sub(MAX_BACK).max(1)..=limit).rev();
    candidates()
        .find(|&at| is_between_clusters(text, at))
        .or_else(|| candidates().find(|&at| starts_character(text, at)))
        .unwrap_or(limit)
}

fn starts_character(text: &[u8], at: usize) -> bool {
    text.get(at).is_none_or(|byte| byte & 0xc0 != 0x80)
}

fn is_between_clusters(text: &[u8], at: usize) -> bool {
    let (before, after) = text.split_at_checked(at).unwrap_or((text, &[]));
    let next = after
        .utf8_chunks()
        .next()
        .and_then(|chunk| chunk.valid().chars().next());
    let mut joiner = [0; 4];
    let joiner = ZERO_WIDTH_JOINER.encode_utf8(&mut joiner);
    starts_character(text, at) && !next.is_some_and(extends_cluster) && !before.ends_with(joiner.as_bytes())
}

/// Returns whether a character is drawn together with the one before it: accents, variation
/// selectors, skin tones, joiners.
fn extends_cluster(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}')
        || matches!(c, '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}')
        || matches!(c, ZERO_WIDTH_JOINER | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0100}'..='\u{e01ef}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, limit: usize, expect: usize) {
        assert_eq!(cut_position(text.as_bytes(), limit), expect);
    }

    #[test]
    fn characters_stay_whole() {
        check("abcd", 2, 2);
        check("日本語", 4, 3);
        check("日本語", 3, 3);
        check("xe\u{301}y", 2, 1);
        check("ab👩\u{200d}🚀c", 9, 2);
        assert_eq!(cut_position(&[0x80; 200], 100), 100);
    }
}
