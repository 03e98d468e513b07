//! Meshes and point clouds.
//!
//! ```text
//! tags     <tag>_VERTEX, <tag>_FACE, <tag>_COLOR: those parts that are there
//! plugin   mesh, content MeshPluginData
//! tensor   [1, n, 3]: f32 for points, i32 for triangles, bytes for colours
//! ```
//!
//! Source: `tensorboard/plugins/mesh/summary_v2.py` and `metadata.py`.

use super::{Encode, Record, bad_shape, owned_tag, shape, value};
use crate::tfevents::messages::{DataClass, DataType, TensorProto, Value};
use crate::tfevents::plugins::{MeshPart, MeshPluginData};
use crate::value::RecordError;

/// Most points or triangles of a mesh.
pub const MAX_MESH: usize = 1 << 20;

/// Points in space, perhaps with colours and with triangles between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Mesh {
    name: String,
    vertices: Vec<[f32; 3]>,
    colors: Vec<[u8; 3]>,
    faces: Vec<[i32; 3]>,
    config: String,
}

impl Mesh {
    /// A cloud of points.
    ///
    /// # Errors
    /// When the tag cannot be used, or there are no points or more than [`MAX_MESH`].
    pub fn new(tag: &str, vertices: Vec<[f32; 3]>) -> Result<Self, RecordError> {
        if vertices.is_empty() || vertices.len() > MAX_MESH {
            return Err(bad_shape(
                "mesh",
                format!("{} points", vertices.len()),
                format!("1 to {MAX_MESH}"),
            ));
        }
        Ok(Self {
            name: owned_tag(tag)?,
            vertices,
            colors: Vec::new(),
            faces: Vec::new(),
            config: String::new(),
        })
    }

    /// Gives every point a colour: red, green, blue.
    ///
    /// # Errors
    /// When there are not as many colours as points.
    pub fn colors(mut self, colors: Vec<[u8; 3]>) -> Result<Self, RecordError> {
        if colors.len() != self.vertices.len() {
            let wanted = format!("{}, one per point", self.vertices.len());
            return Err(bad_shape("mesh", format!("{} colours", colors.len()), wanted));
        }
        self.colors = colors;
        Ok(self)
    }

    /// Draws triangles between points, which are numbered from 0.
    ///
    /// # Errors
    /// When there are none or more than [`MAX_MESH`], or one has a corner that is no point.
    pub fn faces(mut self, faces: Vec<[i32; 3]>) -> Result<Self, RecordError> {
        if faces.is_empty() || faces.len() > MAX_MESH {
            return Err(bad_shape(
                "mesh",
                format!("{} triangles", faces.len()),
                format!("1 to {MAX_MESH}"),
            ));
        }
        let points = self.vertices.len();
        let is_point = |&corner: &i32| usize::try_from(corner).is_ok_and(|corner| corner < points);
        if let Some(odd) = faces.iter().find(|face| !face.iter().all(is_point)) {
            return Err(bad_shape(
                "mesh",
                format!("triangle {odd:?}"),
                format!("points 0 to {}", points - 1),
            ));
        }
        self.faces = faces;
        Ok(self)
    }

    /// Settings of the scene, as three.js takes them: a JSON object with `camera`, `lights`, `material`.
    #[must_use]
    pub fn config(mut self, json: &str) -> Self {
        json.clone_into(&mut self.config);
        self
    }
}

impl Encode for Mesh {
    fn encode(self, _: f64) -> Result<Record, RecordError> {
        let parts = [
            Part::new(
                MeshPart::Vertex,
                DataType::Float,
                &self.vertices,
                f32::to_le_bytes,
            ),
            Part::new(MeshPart::Face, DataType::Int32, &self.faces, i32::to_le_bytes),
            Part::new(MeshPart::Color, DataType::UInt8, &self.colors, u8::to_le_bytes),
        ];
        let parts: Vec<Part> = parts.into_iter().filter(|part| part.rows > 0).collect();
        let components = parts.iter().map(|part| 1 << part.part as u32).sum();
        let values = parts.into_iter().map(|part| part.value(&self, components));
        Ok(Record::values(values.collect()))
    }

    fn held_bytes(&self) -> usize {
        size_of_val(self.vertices.as_slice())
            + size_of_val(self.colors.as_slice())
            + size_of_val(self.faces.as_slice())
            + self.config.len()
    }
}

struct Part {
    part: MeshPart,
    dtype: DataType,
    rows: usize,
    bytes: Vec<u8>,
}

impl Part {
    fn new<T: Copy, const N: usize>(
        part: MeshPart,
        dtype: DataType,
        rows: &[[T; 3]],
        bytes: fn(T) -> [u8; N],
    ) -> Self {
        Self {
            part,
            dtype,
            rows: rows.len(),
            bytes: rows.as_flattened().iter().flat_map(|&x| bytes(x)).collect(),
        }
    }

    fn value(self, mesh: &Mesh, components: u32) -> Value {
        let content = MeshPluginData {
            version: 0,
            name: mesh.name.clone(),
            content_type: self.part.into(),
            json_config: mesh.config.clone(),
            shape: vec![1, self.rows as i32, 3],
            components,
        };
        let tensor = TensorProto {
            dtype: self.dtype.into(),
            tensor_shape: shape(&[1, self.rows, 3]),
            tensor_content: self.bytes,
            ..TensorProto::default()
        };
        let suffix = match self.part {
            MeshPart::Face => "FACE",
            MeshPart::Color => "COLOR",
            MeshPart::Vertex | MeshPart::Undefined => "VERTEX",
        };
        let tag = format!("{}_{suffix}", mesh.name);
        let mut value = value(tag, ("mesh", &content), DataClass::Tensor, tensor);
        if let Some(metadata) = &mut value.metadata {
            metadata.display_name.clone_from(&mesh.name);
        }
        value
    }
}
