import PMSystem

@testable import PMCore

/// What became of a body that arrived in pieces.
struct EditedBody: Equatable {
  var text = ""
  var model = ""
  var fault: BodyFault?
  var facts: RequestFacts?

  static func == (a: EditedBody, b: EditedBody) -> Bool {
    a.text == b.text && a.model == b.model && a.fault == b.fault
      && a.facts?.isStream == b.facts?.isStream && a.facts?.bodyBytes == b.facts?.bodyBytes
      && a.facts?.audioMilliseconds == b.facts?.audioMilliseconds
      && a.facts?.outputTokensMax == b.facts?.outputTokensMax
      && a.facts?.asksForUsage == b.facts?.asksForUsage
  }

  init(
    _ editor: consuming some BodyEditor, _ pieces: [ArraySlice<UInt8>],
    outputTokensMax: Int64? = nil
  ) {
    var editor = editor
    var out = ByteBuffer()
    do throws(BodyFault) {
      for piece in pieces { try editor.take(Array(piece).span, into: &out) }
      let facts = try editor.check()
      let json = editor as? JSONBody
      json?.finish(outputTokensMax: outputTokensMax, into: &out)
      self.facts = facts
      model = String(decoding: facts.model, as: UTF8.self)
      text = out.text
    } catch let found {
      // What went out of a body that is refused is of no use to anybody.
      fault = found
    }
  }

  init(_ editor: consuming some BodyEditor, _ text: String) {
    self.init(editor, [Array(text.utf8)[...]])
  }
}

/// All ways to cut bytes in two, and the cut into single bytes.
func splits(_ bytes: [UInt8]) -> [[ArraySlice<UInt8>]] {
  (0...bytes.count).map { [bytes[..<$0], bytes[$0...]] } + [bytes.indices.map { bytes[$0...$0] }]
}
