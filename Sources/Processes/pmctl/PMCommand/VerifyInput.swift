internal import PMAttest
internal import PMCrypto
internal import PMJSON
internal import PMSystem
internal import PMVerify

/// The words of `pmctl verify`, understood. An expectation that is not understood is never left
/// out: it ends the command before anything is asked.
struct VerifyInput {
  enum Subject: Sendable {
    case appliance(ApplianceURL)
    case saved(folder: String, at: WallTime)
  }

  enum Fault: Error {
    case value(String, String)
    case file(option: String, path: String)
    case expectation(ExpectationError)
    case folder(String, SavedEvidence.Fault)
    case noSubject
    /// Two options that do not go together.
    case together(String, String)
    /// An option that needs another.
    case lacking(String, String)

    var text: String {
      switch self {
      case .value(let option, let value): "\(value) is not a value of \(option)"
      case .file(let option, let path): "\(option): \(path) cannot be read or is not understood"
      case .expectation(.unknownMember): "--expect-file: a member of it is not known"
      case .expectation(.value(let member)): "--expect-file: \(member.rawValue) is not understood"
      case .folder(let folder, .folder(let errno)):
        "\(folder) cannot be made (errno \(errno)); it must not be there yet"
      case .folder(let folder, .unreadable(let name)):
        "\(folder)/\(name.rawValue) cannot be read or is damaged"
      case .folder(let folder, .unwritable(let name)):
        "\(folder)/\(name.rawValue) cannot be written"
      case .noSubject: "https://HOST[:PORT] is missing, or --evidence DIR in its place"
      case .together(let first, let second): "\(first) and \(second) do not go together"
      case .lacking(let first, let second): "\(first) needs \(second)"
      }
    }
  }

  let subject: Subject
  private(set) var rules = Rules()
  let seconds: UInt64
  let saveFolder: String?

  private static let secondsMax: UInt64 = 600
  /// A list of expectations, and a list of revoked intermediates: both are short.
  private static let fileBytesMax = 1 << 20

  init(_ input: CommandInput) throws(Fault) {
    subject = try Self.subject(input)
    saveFolder = input["--save"]
    guard let seconds = UInt64(input["--timeout"] ?? "\(Verification.secondsDefault)"),
      (1...Self.secondsMax).contains(seconds)
    else { throw .value("--timeout", input["--timeout"] ?? "") }
    self.seconds = seconds
    rules.needsRevocationList = input.has("--require-crl")
    try readPolicy(input)
    try readExpectations(input)
    if let path = input["--crl"] { rules.revocationList = try Self.file(path, "--crl") }
  }

  private static func subject(_ input: CommandInput) throws(Fault) -> Subject {
    guard let folder = input["--evidence"] else {
      guard let text = input.operands.first else { throw .noSubject }
      guard let url = ApplianceURL(text) else { throw .value("URL", PrintableText.of(text)) }
      if input["--at"] != nil { throw .together("--at", "URL") }
      return .appliance(url)
    }
    if !input.operands.isEmpty { throw .together("--evidence", "URL") }
    for option in ["--save", "--timeout"] where input[option] != nil {
      throw .together("--evidence", option)
    }
    if input.has("--no-webpki") { throw .together("--evidence", "--no-webpki") }
    guard let text = input["--at"] else { return .saved(folder: folder, at: .now()) }
    guard let time = WallTime(rfc3339: text) else { throw .value("--at", text) }
    return .saved(folder: folder, at: time)
  }

  private mutating func readPolicy(_ input: CommandInput) throws(Fault) {
    rules.platform = try Self.choice(input, "--platform") { Platform(rawValue: $0) }
    if let profile = try Self.choice(input, "--profile", { Profile(rawValue: $0) }) {
      rules.profile = profile
    }
    if let bits = try Self.choice(input, "--require-platform-bits", Self.mask) {
      rules.platformBits = PlatformFlags(rawValue: bits)
    }
    for text in Self.items(input["--min-tcb"], separator: ";") {
      guard let row = Floors.row(text: text) else { throw .value("--min-tcb", text) }
      rules.minTCB[row.key] = row.floor
    }
    for text in Self.items(input["--require"]) {
      guard let name = Factor.Name(rawValue: text) else { throw .value("--require", text) }
      rules.required.insert(name)
    }
  }

  /// Options and file together name what is allowed.
  private mutating func readExpectations(_ input: CommandInput) throws(Fault) {
    if let path = input["--expect-file"] {
      let bytes = try Self.file(path, "--expect-file")
      guard let object = (try? JSONReader.read(bytes))?.object else {
        throw .file(option: "--expect-file", path: path)
      }
      do throws(ExpectationError) {
        rules.expectations = try Expectations(json: object)
      } catch {
        throw .expectation(error)
      }
    }
    rules.expectations.measurements += try Self.digests(input, "--expect-measurement", [48])
    rules.expectations.idKeys += try Self.digests(input, "--expect-id-key", [48])
    rules.expectations.chips += try Self.digests(input, "--expect-chip", [8, 64])
    rules.expectations.providers += Self.items(input["--expect-csp"])
    for text in Self.items(input["--expect-pcr"]) {
      let pair = text.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
      guard pair.count == 2, let number = UInt8(pair[0]), number < 24,
        let digest = Hex.bytes(pair[1]), digest.count == 32
      else { throw .value("--expect-pcr", text) }
      rules.expectations.pcrs[Int(number), default: []].append(digest)
    }
  }

  // MARK: Values

  private static func choice<Value>(
    _ input: CommandInput, _ option: String, _ read: (String) -> Value?
  ) throws(Fault) -> Value? {
    guard let text = input[option] else { return nil }
    guard let value = read(text) else { throw .value(option, text) }
    return value
  }

  /// Decimal, or hexadecimal behind `0x`.
  private static func mask(_ text: String) -> UInt64? {
    text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
  }

  private static func items(_ text: String?, separator: Character = ",") -> [String] {
    (text ?? "").split(separator: separator).map(String.init)
  }

  private static func digests(
    _ input: CommandInput, _ option: String, _ lengths: [Int]
  ) throws(Fault) -> [[UInt8]] {
    var digests: [[UInt8]] = []
    for text in items(input[option]) {
      guard let digest = Hex.bytes(text), lengths.contains(digest.count) else {
        throw .value(option, text)
      }
      digests.append(digest)
    }
    return digests
  }

  /// Reads a file that an option or operand names.
  static func file(_ path: String, _ option: String) throws(Fault) -> [UInt8] {
    do throws(SystemError) {
      return try FileIO.read(path, bytesMax: fileBytesMax)
    } catch {
      throw .file(option: option, path: path)
    }
  }

  // MARK: Words

  /// What is checked, when, and by which rules.
  func heading(_ appraisal: Appraisal) -> String {
    let platform = rules.platform?.rawValue ?? "any platform"
    let words = [
      appraisal.url.map(PrintableText.of) ?? "", appraisal.time.civil.rfc3339,
      "profile \(rules.profile.rawValue)", platform,
    ]
    return words.joined(separator: "  ")
  }
}
