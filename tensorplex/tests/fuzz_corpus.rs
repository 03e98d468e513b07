//! Corpus of the fuzzers: event files of any writer.

#[path = "../../fuzz/src/events.rs"]
mod events;

#[test]
fn the_corpus_of_events_holds() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/events");
    let mut count = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        events::read(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 3, "{count} files");
}
