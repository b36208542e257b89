/// Bounds of the edge that are not settings. Each says where its number comes from.
enum EdgeBounds {
  /// One receive: what the kernel hands over at once costs one system call.
  static let receiveBytesMax = 64 * 1024
  /// Bytes queued towards either side before the other side is not read: four TLS records.
  static let queuedBytesMax = 256 * 1024
  /// A refused request's body up to this size is read and dropped, so that the connection stays.
  static let discardedBodyBytesMax = 256 * 1024
  /// Idle connections kept to each of core and admin.
  static let idleBackendsMax = 256

  static let handshakeSecondsMax: UInt64 = 10
  /// From the first byte of a head to its end.
  static let headSecondsMax: UInt64 = 10
  /// Between requests; the predecessor's keep-alive.
  static let idleSecondsMax: UInt64 = 75
  /// Idle connections older than this are closed while the edge drains.
  static let idleDrainSecondsMax: UInt64 = 3
  /// Without a byte of the body.
  static let bodyStallSecondsMax: UInt64 = 30
  /// For a whole body, beside the time that its bytes take on the slowest link that is served.
  static let bodySecondsMax: UInt64 = 600
  /// The slowest link that is served: 64 kbit/s, a mobile network at its edge.
  static let bodyBytesPerSecondMin: UInt64 = 8 * 1024
  /// Without the client reading a byte of the answer.
  static let answerStallSecondsMax: UInt64 = 60
  /// After a refusal: how long the rest of what the client sends is read, so that the answer is
  /// not lost to a reset.
  static let lingerSecondsMax: UInt64 = 2
  /// How long a request may lie unread in the socket of core or admin while that one restarts.
  static let backendUnreadSecondsMax: UInt64 = 10
  /// Between two looks at the certificate files.
  static let certificateLookSeconds: UInt64 = 2
  /// A certificate or key file longer than this is none.
  static let certificateFileBytesMax = 1 << 20
  /// A private key as PEM text; RSA keys of 16 384 bits take less.
  static let keyFileBytesMax = 64 * 1024
  /// A file of an ACME challenge: token, dot and thumbprint (RFC 8555, 8.3).
  static let challengeFileBytesMax = 1024
  /// Session tickets become unreadable after this time.
  static let ticketKeySecondsMax: UInt64 = 12 * 3600
  /// What a pace gives at once, counted in seconds of it: an office that returns from lunch.
  static let burstSecondsMax: UInt64 = 10
  /// Requests for evidence of one address, for good; each costs a call of a device.
  static let evidencePerAddressPerSecond = 1
  static let evidenceBurstSecondsMax: UInt64 = 5
  /// A document with its certificates, as clients take it.
  static let evidenceBytesMax = 64 * 1024
  /// How long after its deadline a request is given up: the supervisor's own clock runs apart.
  static let evidenceLateMillisecondsMax: UInt64 = 1000
  /// When to ask again where there is no evidence: a run of the gate takes seconds.
  static let evidenceRetrySeconds = 5
  /// Addresses whose requests are counted at once; the oldest idle ones are forgotten.
  static let trackedAddressesMax = 65_536
}
