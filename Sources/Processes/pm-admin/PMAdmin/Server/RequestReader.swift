internal import PMHTTP
internal import PMSystem

/// Puts requests together from bytes that arrive in pieces. Bytes behind a request are kept for the
/// next one.
struct RequestReader: ~Copyable {
  /// The status that tells the peer why its request was refused; the connection ends after it.
  struct Refusal: Error { let status: Response.Status }

  var input = ByteBuffer()
  private var headEnd = HeadEnd()
  private var head: RequestHead?
  private var headBytes = 0
  private var body: [UInt8] = []
  private var framing = BodyFraming.none
  /// Where the present request ends in the input, once it is whole.
  private var bodyEnd = 0

  /// Whether the connection may carry another request after the present one.
  private(set) var keepsAlive = true
  /// Whether the present request wants the head of its answer only.
  private(set) var isForHead = false

  init() {}

  /// True if no byte of a request has come.
  var isEmpty: Bool { input.isEmpty && head == nil }

  /// The next request; nil until it is whole.
  mutating func next() throws(Refusal) -> Request? {
    do throws(HTTPError) {
      if head == nil { try readHead() }
    } catch {
      throw Refusal(status: Response.Status(rawValue: error.status) ?? .badRequest)
    }
    guard let head else { return nil }
    guard head.fields.contentLength ?? 0 <= AdminLimits.bodyBytesMax else {
      throw Refusal(status: .contentTooLarge)
    }
    guard try readBody() else { return nil }
    defer { forget() }
    do throws(Form.Fault) {
      return try Request(head, input.span.extracting(0..<headBytes), body: body)
    } catch {
      throw Refusal(status: .badRequest)
    }
  }

  private mutating func readHead() throws(HTTPError) {
    // A copy, because the input is borrowed while it changes.
    var end = headEnd
    defer { headEnd = end }
    guard let length = try end.find(in: input.span) else { return }
    let read = try RequestHead(input.span.extracting(0..<length))
    (head, headBytes) = (read, length)
    (keepsAlive, isForHead) = (read.keepsAlive, read.method == .head)
    framing = read.body
  }

  /// Takes what there is of the body; true if that is all of it. The head stays in front.
  private mutating func readBody() throws(Refusal) -> Bool {
    var (position, framing) = (headBytes, framing)
    defer { self.framing = framing }
    do throws(HTTPError) {
      while let run = try framing.next(input.span, &position) {
        body += [UInt8](copying: input.span.extracting(run))
      }
    } catch {
      throw Refusal(status: .badRequest)
    }
    guard body.count <= AdminLimits.bodyBytesMax else { throw Refusal(status: .contentTooLarge) }
    guard framing.isComplete else {
      input.truncate(to: headBytes)
      return false
    }
    bodyEnd = position
    return true
  }

  private mutating func forget() {
    input.consume(bodyEnd)
    if input.isEmpty { input.release() }
    (head, headBytes, body, bodyEnd) = (nil, 0, [], 0)
  }
}
