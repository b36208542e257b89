internal import PMHTTP
internal import PMWire

/// Everything behind the sign-in, and the one method that each place takes. What is not here is not
/// served.
enum Place: Equatable {
  case keys, settings, usage, attestation, documentation
  case generate, saveLimits, addPrice
  case keyPage(KeyID)
  case key(KeyID, KeyAct)

  enum KeyAct: String {
    case revoke, enable, delete, change
    case rateLimit = "rate-limit"
  }

  /// Nil for a path that is not ours.
  init?(path: String) {
    switch path {
    case "/admin": self = .keys
    case "/admin/settings": self = .settings
    case "/admin/usage": self = .usage
    case "/admin/attestation": self = .attestation
    case "/admin/about": self = .documentation
    case "/admin/keys/generate": self = .generate
    case "/admin/settings/rate-limits": self = .saveLimits
    case "/admin/settings/prices": self = .addPrice
    default:
      let parts = path.split(separator: "/", omittingEmptySubsequences: false)
      guard (4...5).contains(parts.count), parts[0].isEmpty, parts[1] == "admin",
        parts[2] == "keys", let id = KeyID(parts[3])
      else { return nil }
      guard parts.count == 5 else {
        self = .keyPage(id)
        return
      }
      guard let act = KeyAct(rawValue: String(parts[4])) else { return nil }
      self = .key(id, act)
    }
  }

  var changesSomething: Bool {
    switch self {
    case .keys, .settings, .usage, .attestation, .documentation, .keyPage: false
    case .generate, .saveLimits, .addPrice, .key: true
    }
  }

  func takes(_ method: Method) -> Bool {
    changesSomething ? method == .post : method == .get || method == .head
  }
}
