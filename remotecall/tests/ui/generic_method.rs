use remotecall::remote;

struct Object;

#[remote]
impl Object {
    pub fn add<T: Into<i64>>(&self, x: T) {
        let _ = x.into();
    }

    pub fn first<'a>(&self, text: &'a str) -> usize {
        text.len()
    }
}

fn main() {}
