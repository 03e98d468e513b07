use remotecall::remote;

struct Object;

#[remote]
impl Object {
    pub fn stacked(&self, list: &[&[u8]], pair: (&str, &i64)) {
        let _ = (list, pair);
    }

    pub fn kept(&self, text: &'static str) {
        let _ = text;
    }
}

fn main() {}
