//! Fuzz target: event files of any writer.

use tensorplex::tfevents::{EventView, PayloadView, RecordReader, SummaryView, append_payload};

/// Reads the bytes as a file, and as the payload of a record with valid checksums.
pub fn read(bytes: &[u8]) {
    records(bytes);
    let mut whole = Vec::new();
    append_payload(&mut whole, bytes).expect("a payload of moderate size");
    records(&whole);
}

fn records(file: &[u8]) {
    let mut reader = RecordReader::new(file);
    while let Ok(Some(payload)) = reader.next_record() {
        assert!(payload.len() <= file.len());
        let Ok(event) = EventView::parse(&payload) else {
            continue;
        };
        if let PayloadView::Summary(summary) = event.content {
            values(&summary);
        }
    }
    assert!(reader.position() <= file.len() as u64);
}

fn values(summary: &SummaryView<'_>) {
    for value in summary.values() {
        // Views are lazy; formatting them parses everything.
        let Ok(value) = value else { return };
        let _ = format!("{value:?}");
    }
}
