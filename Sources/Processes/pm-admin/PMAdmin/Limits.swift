/// Bounds of the admin process. Waits that are not here belong to whoever is waited for.
enum AdminLimits {
  /// Open connections; edge's pools hold as many as were once busy together. At the limit,
  /// accepting pauses and the rest wait in the backlog.
  static let connectionsMax = 512
  /// Requests being answered at once, one thread each. Above the five sign-in attempts that one
  /// address may have in flight, so that they cannot hold everybody.
  static let answersInFlightMax = 8
  /// The form of a key, with every list as long as it may be and escaped byte by byte.
  static let bodyBytesMax = 64 << 10
  /// Twice as many as the form of a key has.
  static let formFieldsMax = 32
  /// From the first byte of a request to its last.
  static let requestSecondsMax: UInt64 = 10
  /// An idle connection of a pool. Long, because a request that crosses its end on the way would be
  /// lost; the table is far larger than what is ever idle.
  static let idleSecondsMax: UInt64 = 600
  /// While the process leaves: how long a connection may wait with its first request.
  static let firstRequestSecondsMax: UInt64 = 1
  /// From the first byte of an answer to its last: a local peer that does not read is gone.
  static let writeSecondsMax: UInt64 = 10
  /// From the request to leave until the process goes, finished or not.
  static let drainSecondsMax: UInt64 = 10
  /// How long accepting pauses when descriptors ran out.
  static let acceptPauseSeconds: UInt64 = 1

  /// How often sessions and new keys whose time is over are forgotten.
  static let sweepSeconds: UInt64 = 5

  /// One receive or send towards core or pmctl; core answers from memory and one index.
  static let controlSeconds = 5
  /// How long one look at pmctl's status serves all pages.
  static let standingSecondsMax: UInt64 = 2
  /// An answer of core: some thousand keys of 300 bytes.
  static let controlBytesMax = 8 << 20

  /// Signed-in browsers; the oldest leaves when another comes.
  static let sessionsMax = 64
  /// `Max-Age` of the cookie, as the predecessor's.
  static let sessionSecondsMax: UInt64 = 86_400
  /// A form that was open longer than this must be loaded again.
  static let formTokenSecondsMax: UInt64 = 3600
  /// Spent tokens that are remembered; older ones are refused by their age instead.
  static let spentTokensMax = 4096
  /// How long a new key waits for its one view.
  static let newKeySecondsMax: UInt64 = 60

  /// Wrong passwords of one address in `signInWindowSeconds` before it is locked out.
  static let wrongPasswordsMax = 5
  static let signInWindowSeconds: UInt64 = 300
  /// Addresses with wrong passwords that are remembered.
  static let signInAddressesMax = 4096
  /// Far above any password manager's setting.
  static let passwordBytesMax = 1024

  /// Rows of the key table on one page, which keeps a page under 100 kB.
  static let keysPerPage = 50
}
