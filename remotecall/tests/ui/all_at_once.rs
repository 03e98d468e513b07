use remotecall::remote;

struct Object;

#[remote]
impl Object {
    pub fn finish(self, (a, b): (i64, i64)) {
        let _ = (a, b);
    }

    pub async fn flush(&self, out: &mut i64) {
        *out = 0;
    }
}

fn main() {}
