/// Why a request does not get its answer.
enum Refusal: Error {
  /// An error of the binary itself: a status and its message.
  case binary(Int, String)
  /// An error of the pretend gateway, passed through in clear.
  case gateway(Int, String)
  case clientLeft
  /// The handler panicked: the connection ends without a word.
  case connectionDropped
}

/// Fixed texts of the binary and the gateway, exactly as section 3.7 of the contract has them.
enum BinaryText {
  static let invalidKey = "invalid API key: invalid API key"
  static let noKey = "no auth found: no Authorization header"
  static let tooLarge = "maximum request size exceeded (max 50MB)"
  static let fileTooLarge = "file too large (max 25MB)"
  static let secretFailed =
    "creating request cipher: initializing renewable request cipher: get latest secret: "
    + ExchangeFault.network.goText
  static let unreachable =
    "forwarding request: Post \"https://api.privatemode.ai:443/v1/chat/completions\": "
    + "dial tcp 192.0.2.1:443: connect: connection refused"
  static let gpuPolicy =
    "GPU attestation returned a driver OCSP status that is not accepted by the client: unknown"
  static let mutating = "forwarding request: mutating request: mutating request: "
  static let shortSalt =
    mutating + "mutating request: cache_salt must be at least 32 characters long"
  static let contextTooLarge = mutating + "generating shard key: context too large"
  static let noModel = mutating + "extracting model: no model specified in request"
  static let unreadableModel = mutating + "extracting model: parsing request: "
  static let invalidPage =
    "mapping response: mutating response body: mutation on invalid JSON data: invalid JSON data"
  static let truncated = "mapping response: reading upstream response body: unexpected EOF"
  static let lostSecret = "{\"error\":{\"message\":\"no secret for ID\",\"type\":\"\"}}"

  static let invalidKeyBody = errorBody(invalidKey).text

  /// The binary's error object, in Go's spelling.
  static func errorBody(_ message: String) -> Bytes {
    let body: JSON = ["error": ["message": .text(message), "type": ""]]
    return body.rendered(.go)
  }
}
