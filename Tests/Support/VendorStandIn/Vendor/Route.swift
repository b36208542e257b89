/// What the binary serves, by path alone.
enum Route: Equatable {
  case chat, completions, messages, embeddings, transcriptions, models, unstructured

  enum Match {
    case found(Route)
    case redirect(Bytes)
    case missing
  }

  /// As Go's ServeMux matches: a path that is not clean, and a subtree without its slash, are
  /// redirected; `GET /` has no handler.
  static func match(_ path: Bytes) -> Match {
    let tidy = cleaned(path)
    if tidy != path { return .redirect(tidy) }
    switch path.text {
    case "/v1/chat/completions": return .found(.chat)
    case "/v1/completions": return .found(.completions)
    case "/v1/messages": return .found(.messages)
    case "/v1/embeddings": return .found(.embeddings)
    case "/v1/audio/transcriptions": return .found(.transcriptions)
    case "/v1/models": return .found(.models)
    case "/unstructured": return .redirect(Bytes("/unstructured/"))
    case let text where text.hasPrefix("/unstructured/"): return .found(.unstructured)
    default: return .missing
    }
  }

  private static func cleaned(_ path: Bytes) -> Bytes {
    guard path.first == UInt8(ascii: "/") else { return path }
    var parts: [ArraySlice<UInt8>] = []
    for part in path.split(separator: UInt8(ascii: "/")) {
      if part.elementsEqual(".".utf8) { continue }
      if part.elementsEqual("..".utf8) { _ = parts.popLast() } else { parts.append(part) }
    }
    var tidy: Bytes = []
    for part in parts { tidy += Bytes("/") + part }
    if tidy.isEmpty || path.last == UInt8(ascii: "/") { tidy.add("/") }
    return tidy
  }

  /// Whether the request needs the secret.
  var isEncrypted: Bool { self != .models }

  /// Whether the binary looks for a model in the request.
  var hasModel: Bool { self != .models && self != .unstructured }

  /// Whether the binary puts a cache salt into the request.
  var takesSalt: Bool { self == .chat || self == .completions || self == .messages }

  /// The task a model must have to serve this route.
  var task: String {
    switch self {
    case .embeddings: "embed"
    case .transcriptions: "transcribe"
    default: "generate"
    }
  }
}
