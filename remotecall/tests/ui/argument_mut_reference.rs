use remotecall::remote;

struct Object;

#[remote]
impl Object {
    pub fn fill(&self, out: &mut Vec<f64>, more: Option<&mut i64>) {
        let _ = (out, more);
    }
}

fn main() {}
