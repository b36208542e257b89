import Glibc

/// The text of an errno value as Go prints it.
func goErrorText(_ number: Int32) -> String {
  switch number {
  case ENOENT: "no such file or directory"
  case EACCES: "permission denied"
  case EPERM: "operation not permitted"
  case EISDIR: "is a directory"
  case ENOTDIR: "not a directory"
  case EROFS: "read-only file system"
  case ENOSPC: "no space left on device"
  case EADDRINUSE: "address already in use"
  case ENAMETOOLONG: "file name too long"
  default: "errno \(number)"
  }
}

/// A text in double quotes, as Go's `%q` writes it.
func goQuoted(_ text: String) -> String {
  var output = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"", "\\": output += "\\\(scalar)"
    case "\n": output += "\\n"
    case "\r": output += "\\r"
    case "\t": output += "\\t"
    case "\0"..<" ", "\u{7f}": output += "\\x" + [UInt8(scalar.value)].hexadecimal
    default: output.unicodeScalars.append(scalar)
    }
  }
  return output + "\""
}
