import PMSystem

/// What core needs to know of a request's body; everything else passes untouched and unseen.
struct RequestFacts {
  /// The model's name as the client wrote it.
  var model: [UInt8] = []
  var isStream = false
  /// The client asked for usage in its stream.
  var asksForUsage = false
  /// The client's own cap on output tokens; nil without one.
  var outputTokensMax: Int64?
  /// How many answers to each prompt are to be made: `n`, or `best_of` if that is more.
  var choices: Int64 = 1
  /// How many prompts it holds, each to be answered; more than one only in `/v1/completions`.
  var prompts: Int64 = 1
  /// Bytes of the whole body as the client sent it.
  var bodyBytes = 0
  /// Milliseconds of audio, from a WAV head; nil if unknown.
  var audioMilliseconds: Int64?
  /// A piece of the body names an image; its tokens are more than its bytes. Only reservations
  /// depend on it, so a name that falls between two pieces may be missed.
  var hasImages = false
}

/// Why a body was refused, before the vendor saw it.
enum BodyFault: Error {
  case notJSON, ambiguous, modelMissing, badForm, streamedForm, unknownFormat, tooLarge, contentType
  /// More answers than a reservation counts, where a budget has to pay for them.
  case tooManyAnswers
}

/// Bounds of bodies on their way to the vendor.
enum BodyBounds {
  /// Of a body up to this size nothing leaves before it is complete and its reservation is durable;
  /// of a longer one the end stays back. Most requests fit.
  static let heldBytesMax = 64 * 1024
  /// Of a long body this much stays back while it is under way: more than any closing boundary.
  static let withheldTailBytes = 256
  static let modelBytesMax = 128
  static let streamOptionsBytesMax = 4096
  /// A client's own salt for the vendor's cache of prompts.
  static let saltBytesMax = 1024
  /// Between two members this much is kept as it is, if it comes in pieces; of more the blanks are
  /// left out.
  static let gapBytesMax = 4096
  /// A form field other than the file.
  static let fieldBytesMax = 1024
  /// The head of one part of a form.
  static let partHeadBytesMax = 4096
  static let partsMax = 64
}

/// Takes a body piece by piece, checks it, and hands on what the vendor shall get.
protocol BodyEditor {
  /// Appends what may go on to `out`.
  mutating func take(_ bytes: borrowing Span<UInt8>, into out: inout ByteBuffer) throws(BodyFault)
  /// The body is complete: what it said.
  mutating func check() throws(BodyFault) -> RequestFacts
}

/// The rule for model names: they become a header's value behind us.
func isModelName(_ name: [UInt8]) -> Bool {
  guard (1...BodyBounds.modelBytesMax).contains(name.count) else { return false }
  return name.allSatisfy { byte in
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2E, 0x5F, 0x3A, 0x2F, 0x2D: true
    default: false
    }
  }
}
