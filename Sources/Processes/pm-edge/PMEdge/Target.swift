internal import PMHTTP
internal import PMWire

/// What a path asks for. A path matches as a whole; what is not listed is not served.
enum Target: Equatable {
  case health
  case ready
  case route(Route)
  case admin
  /// The document by which the machine proves itself.
  case evidence
  /// Known APIs that are not offered here.
  case unsupported(Dialect)
  case unknown(Dialect)

  init(_ path: borrowing Span<UInt8>) {
    let whole = 0..<path.count
    if path.equals(whole, "/health") {
      self = .health
      return
    }
    if path.equals(whole, "/health/ready") {
      self = .ready
      return
    }
    if let route = Self.route(path) {
      self = .route(route)
      return
    }
    if Self.isAdmin(path) {
      self = .admin
      return
    }
    if path.equals(whole, "/.well-known/pmctl-attestation") {
      self = .evidence
      return
    }
    let dialect: Dialect = path.begins(with: "/v1/messages") ? .anthropic : .openAI
    self = Self.isUnsupported(path) ? .unsupported(dialect) : .unknown(dialect)
  }

  private static func route(_ path: borrowing Span<UInt8>) -> Route? {
    for route in Route.allCases {
      if route.hasName {
        if path.begins(with: route.path), isName(path, from: route.path.utf8CodeUnitCount) {
          return route
        }
      } else if path.equals(0..<path.count, route.path) {
        return route
      }
    }
    return nil
  }

  /// The characters of a model's id, which may hold slashes but no dot segment, or of a request's.
  private static func isName(_ path: borrowing Span<UInt8>, from start: Int) -> Bool {
    let length = path.count - start
    guard (1...128).contains(length) else { return false }
    return isPlainPath(path, from: start - 1)
  }

  /// Segments of unreserved characters, none of them empty, `.` or `..`.
  private static func isPlainPath(_ path: borrowing Span<UInt8>, from start: Int) -> Bool {
    var segmentStart = start + 1
    for offset in start..<path.count + 1 {
      let byte = offset < path.count ? path[offset] : 0x2F
      switch byte {
      case 0x2F:
        if offset == start { continue }
        let length = offset - segmentStart
        if length == 0 { return false }
        if path[segmentStart] == 0x2E,
          length == 1 || (length == 2 && path[segmentStart + 1] == 0x2E)
        {
          return false
        }
        segmentStart = offset + 1
      case 0x30...0x3A, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: continue
      default: return false
      }
    }
    return true
  }

  private static func isAdmin(_ path: borrowing Span<UInt8>) -> Bool {
    if path.equals(0..<path.count, "/admin") || path.equals(0..<path.count, "/admin/") {
      return true
    }
    return path.begins(with: "/admin/") && isPlainPath(path, from: 0)
  }

  /// Routes of the OpenAI and Anthropic APIs that this product does not offer.
  private static let unsupported: [StaticString] = [
    "/v1/responses", "/v1/messages/count_tokens", "/v1/messages/batches", "/v1/images",
    "/v1/audio/speech", "/v1/moderations", "/v1/files", "/v1/batches", "/v1/fine_tuning",
    "/v1/assistants", "/v1/threads", "/v1/realtime", "/v1/vector_stores", "/v1/uploads",
    "/v1/evals", "/v1/containers", "/v1/conversations", "/v1/videos",
  ]

  private static func isUnsupported(_ path: borrowing Span<UInt8>) -> Bool {
    for prefix in unsupported where path.begins(with: prefix) {
      let end = prefix.utf8CodeUnitCount
      if path.count == end || path[end] == 0x2F { return true }
    }
    return false
  }
}

extension Span where Element == UInt8 {
  func begins(with text: StaticString) -> Bool {
    count >= text.utf8CodeUnitCount && equals(0..<text.utf8CodeUnitCount, text)
  }
}
