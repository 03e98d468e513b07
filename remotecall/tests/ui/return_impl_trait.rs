use remotecall::remote;

struct Object;

#[remote]
impl Object {
    pub fn list(&self) -> impl Iterator<Item = i64> {
        std::iter::empty()
    }
}

fn main() {}
