internal import Glibc

/// The environment of this process; nothing else reads it.
public enum Environment {
  /// Nil if the variable is absent.
  public static func value(_ name: String) -> String? {
    // The returned memory stays valid: nothing here changes the environment.
    // tidy:allow banned-call: this is what the others are told to use
    guard let text = unsafe getenv(name) else { return nil }
    return unsafe String(cString: text)
  }

  /// The variables of these names that are present.
  public static func values(_ names: [String]) -> [String: String] {
    var found: [String: String] = [:]
    for name in names { found[name] = value(name) }
    return found
  }
}
