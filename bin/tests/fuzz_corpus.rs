//! Fuzzing corpus of `tensorplex send`, run as a regression test.

#[path = "../../fuzz/src/lines.rs"]
mod lines;

#[test]
fn every_corpus_file_is_handled() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/lines");
    let mut count = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        lines::send(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 3, "{count} files");
}
