//! Recognition of types by their tokens: a macro sees names, not the types that they refer to.

use syn::{GenericArgument, PathArguments, Type, TypeReference};

/// True for `str`.
pub fn is_str(ty: &Type) -> bool {
    is_named(ty, "str")
}

/// True for `&[u8]`.
pub fn is_slice_of_u8(ty: &Type) -> bool {
    matches!(ty, Type::Reference(TypeReference { elem, .. })
        if matches!(&**elem, Type::Slice(slice) if is_named(&slice.elem, "u8")))
}

/// True for `Vec<u8>`.
pub fn is_vec_of_u8(ty: &Type) -> bool {
    first_argument(ty, "Vec").is_some_and(|item| is_named(item, "u8"))
}

/// `T` of `Option<T>`.
pub fn unwrap_option(ty: &Type) -> Option<&Type> {
    first_argument(ty, "Option")
}

/// `T` of `Result<T, E>`, or of an alias such as `io::Result<T>`.
pub fn result_value(ty: &Type) -> Option<&Type> {
    first_argument(ty, "Result")
}

fn is_named(ty: &Type, name: &str) -> bool {
    matches!(ty, Type::Path(path) if path.path.is_ident(name))
}

fn first_argument<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else {
        return None;
    };
    let last = path.path.segments.last().filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(ty)) => Some(ty),
        _ => None,
    }
}
