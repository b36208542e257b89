internal import PMHTTP
internal import PMSystem
internal import PMWire

/// Port 80: a load balancer's health check, challenges of a certificate authority, and the way to
/// the encrypted port. A key that comes here is not read.
extension ClientConnection {
  func answerPlain(
    _ head: RequestHead, _ headBytes: borrowing Span<UInt8>, _ path: borrowing Span<UInt8>
  ) {
    let isRead = head.method == .get || head.method == .head
    if path.equals(0..<path.count, "/health") { return answerHealth(head) }
    guard isAdmittedWithoutKey(head, headBytes) else {
      return answerError(.addressLimit.retrying(after: 1))
    }
    let prefix: StaticString = "/.well-known/acme-challenge/"
    if isRead, path.begins(with: prefix) {
      return answerChallenge(path.extracting(prefix.utf8CodeUnitCount..<path.count))
    }
    let isPage = path.equals(0..<path.count, "/") || Target(path) == .admin
    if isRead, isPage, let host = redirectHost(head, headBytes) {
      let port = edge.settings.httpsPort == 443 ? "" : ":\(edge.settings.httpsPort)"
      let location = "https://\(host)\(port)\(String(copying: path))"
      return answerLocally(308, "text/plain", "", fields: "Location: \(location)\r\n")
    }
    request.dialect = path.begins(with: "/v1/messages") ? .anthropic : .openAI
    answerError(.httpsRequired, closes: true)
  }

  /// The configured name, else the host that the client itself asked for.
  private func redirectHost(_ head: RequestHead, _ headBytes: borrowing Span<UInt8>) -> String? {
    if let name = edge.settings.publicName { return name }
    guard let range = head.fields.first(.host) else { return nil }
    var host: [UInt8] = []
    for offset in range {
      switch headBytes[offset] {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E: host.append(headBytes[offset])
      case 0x3A: return host.isEmpty ? nil : String(decoding: host, as: UTF8.self)
      default: return nil
      }
    }
    return host.isEmpty ? nil : String(decoding: host, as: UTF8.self)
  }

  /// The file of a token (RFC 8555, 8.3): base64url characters only, so it names nothing else.
  private func answerChallenge(_ token: borrowing Span<UInt8>) {
    guard let directory = edge.settings.challengeDirectory, (1...128).contains(token.count) else {
      return answerError(.unknownURL)
    }
    for offset in 0..<token.count {
      switch token[offset] {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x5F: continue
      default: return answerError(.unknownURL)
      }
    }
    // A read of a tiny local file: it cannot wait on anything but the disk.
    let path = directory + "/" + String(copying: token)
    guard let file = try? FileIO.read(path, bytesMax: EdgeBounds.challengeFileBytesMax) else {
      return answerError(.unknownURL)
    }
    answerLocally(200, "text/plain", String(decoding: file, as: UTF8.self))
  }
}
