//! Sentences with gaps: `the {work} is {very} dull`.

/// The frame with every `{slot}` replaced by what `filler` says for it; spaces around an empty filler close up.
pub fn fill(frame: &str, mut filler: impl FnMut(&str) -> String) -> String {
    let mut text = String::new();
    let mut rest = frame;
    while let Some((before, after)) = rest.split_once('{') {
        let (slot, after) = after.split_once('}').expect("every brace of a frame is closed");
        text = text + before + &filler(slot);
        rest = after;
    }
    text += rest;
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text with a large first letter.
pub fn capitalised(text: &str) -> String {
    text[..1].to_uppercase() + &text[1..]
}

/// The clause as a written sentence: `In Oslo, Anna slept.`
pub fn sentence(clause: &str) -> String {
    capitalised(&clause.replace(" ,", ",").replace(" ;", ";")) + "."
}

/// The same in the tokenised spelling of SST-2 and MRPC, where punctuation stands alone: `In Oslo , Anna slept .`
pub fn spaced(clause: &str) -> String {
    capitalised(clause) + " ."
}
