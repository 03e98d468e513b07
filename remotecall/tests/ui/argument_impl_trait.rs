use remotecall::remote;

struct Object;

#[remote]
impl Object {
    pub fn print(&self, what: impl ToString, more: Vec<impl ToString>) {
        let _ = (what.to_string(), more.len());
    }
}

fn main() {}
