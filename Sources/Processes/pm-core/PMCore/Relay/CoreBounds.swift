import PMWire

/// Bounds of the relay that are not settings.
enum CoreBounds {
  static let receiveBytesMax = 64 * 1024
  /// Bytes queued towards either side before the other side is not read.
  static let queuedBytesMax = 256 * 1024
  /// Of an answer up to this size nothing leaves before it is complete, checked and settled; of a
  /// longer one the last piece stays back.
  static let heldAnswerBytesMax = 64 * 1024
  /// One event of a stream; longer ones are a fault of the vendor's.
  static let eventBytesMax = 16 << 20
  /// An error answer of the vendor's is read to this length, to tell what it means.
  static let faultBytesMax = 16 * 1024
  /// The vendor's list of models.
  static let modelListBytesMax = 1 << 20
  /// Requests in hand; beyond, new ones are told to wait.
  static let callsMax = 20_000
  /// Idle connections kept to the vendor.
  static let idleVendorsMax = 256
  /// A connection idle for longer is looked at before it is used again.
  static let trustedIdleMilliseconds: UInt64 = 500

  static let connectSecondsMax: UInt64 = 2
  static let streamFirstByteSecondsMax: UInt64 = 120
  static let chatFirstByteSecondsMax: UInt64 = 600
  static let embeddingsFirstByteSecondsMax: UInt64 = 60
  static let audioFirstByteSecondsMax: UInt64 = 900
  static let modelListSecondsMax: UInt64 = 15
  static let eventSilenceSecondsMax: UInt64 = 120
  static let requestSecondsMax: UInt64 = 3600
  /// A stream that is silent says so, or middleboxes cut it.
  static let keepAliveSeconds: UInt64 = 15
  /// Answers that go on without their client, to learn what they cost.
  static let drainsMax = 16
  static let drainSecondsMax: UInt64 = 60
  static let drainBytesMax = 1 << 20
  /// A new request waits this long for a vendor that is being restarted.
  static let vendorWaitSecondsMax: UInt64 = 10

  /// Age up to which the list of models is used without asking again, and with a failing vendor.
  static let modelListFreshSeconds: UInt64 = 60
  static let modelListStaleSeconds: UInt64 = 600
  /// Between two looks at a vendor that is not up.
  static let vendorLookMilliseconds: UInt64 = 1000
  /// A vendor that answers, but not well, is asked no more often: it counts our requests.
  static let vendorAskSeconds: UInt64 = 30
  /// Failures in a row after which the vendor counts as failing.
  static let vendorFailuresMax = 3
  /// Cool-down after the vendor's 429 without a time of its own.
  static let throttleSecondsMax = 60

  /// Output tokens that one answer may have where the request does not say: the longest context of
  /// the models that are not the largest.
  static let outputTokensAssumedMax: Int64 = 131_072
  /// Tokens that limits by the minute expect of an answer without a cap, until its end tells the
  /// truth: the vendor's own share of a request, 20 000 of them for 20.
  static let outputTokensExpected: Int64 = 1000
  /// The longest context of all models.
  static let outputTokensMax: Int64 = 1_048_576
  /// Answers to one prompt that a reservation counts; the API takes up to 128.
  static let choicesMax: Int64 = 128
  /// Prompts of one request that a reservation counts; with the above, what a sum of money holds.
  static let promptsMax: Int64 = 1024
  /// Of audio whose length neither its head nor the vendor tells: speech at 32 kbit/s, at most the
  /// hour that the vendor takes.
  static let audioBytesPerMillisecond: Int64 = 4
  static let audioMillisecondsMax: Int64 = 3_600_000
  /// Prompt tokens of a request with images, which cost more than their bytes say.
  static let imagePromptTokensAssumed: Int64 = 262_144

  static func firstByteSecondsMax(_ route: Route, isStream: Bool) -> UInt64 {
    if isStream { return streamFirstByteSecondsMax }
    switch route {
    case .embeddings: return embeddingsFirstByteSecondsMax
    case .transcriptions: return audioFirstByteSecondsMax
    default: return chatFirstByteSecondsMax
    }
  }
}
