use remotecall::remote;

struct Object;

#[remote]
impl Object {
    pub fn move_to(&self, (x, y): (f64, f64), _: i64) {
        let _ = (x, y);
    }
}

fn main() {}
