internal import PMHTTP
internal import PMSystem
internal import PMWire

/// What the edge remembers of a request until its answer is out.
struct ClientRequest {
  /// A byte of the head has arrived.
  var hasBegun = false
  var id = RequestID(0)
  var dialect = Dialect.openAI
  var isAPI = false
  var hasOrigin = false
  /// The client's origin, if it is one of the configured.
  var allowedOrigin: String?
  var isHead = false
  var isHTTP10 = false
  var isChunked = false
  var keepsAlive = true
  /// The client waits for `100 Continue` before it sends the body.
  var awaitsContinue = false
  var isAnswered = false
  /// It waits for evidence under this number.
  var evidenceNumber: Int64?
  /// When its body is late.
  var clock = BodyClock(at: .never)
  /// Where it ends cannot be told: the client may still be sending it.
  var isMalformed = false

  init() {}

  init(_ head: RequestHead, id: RequestID, at now: Instant, isDraining: Bool) {
    hasBegun = true
    clock = BodyClock(at: now)
    self.id = id
    isHead = head.method == .head
    isHTTP10 = head.isHTTP10
    isChunked = head.fields.isChunked
    keepsAlive = head.keepsAlive && !isDraining
    awaitsContinue = head.expectsContinue
    hasOrigin = head.fields.first(.origin) != nil
  }
}
