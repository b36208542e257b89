/// The text of a request that counts as prompt, gathered in the contract's order (6.7).
struct Prompt {
  private static let imageTokens = 970

  private(set) var text: Bytes = []
  private(set) var images = 0
  /// Tokens given as numbers, one each.
  private(set) var looseTokens = 0
  /// The text of the last message of the user, or all text where there are no messages.
  private(set) var lastUserText: Bytes = []

  init(_ request: JSON, _ body: Bytes) {
    add(request["system"])
    for message in request["messages"]?.elements ?? [] {
      let start = text.count
      add(message["content"])
      if message["role"]?.string?.isEqual(to: "user") == true {
        lastUserText = Bytes(text[start...])
      }
    }
    if let tools = request.member("tools") { text += body[tools.span] }
    let start = text.count
    add(request["prompt"])
    add(request["input"])
    if request["messages"] == nil { lastUserText = Bytes(text[start...]) }
  }

  /// A text, a list of texts, content parts, or token numbers.
  private mutating func add(_ value: JSON?) {
    switch value {
    case .text(let text): self.text += text
    case .number: looseTokens += 1
    case .array(let elements): for element in elements { add(element) }
    case .object: addPart(value ?? .null)
    default: break
    }
  }

  private mutating func addPart(_ part: JSON) {
    let type = part["type"]?.string ?? []
    if type.index(of: Bytes("image")) != nil {
      images += 1
    } else {
      add(part["text"] ?? part["content"])
    }
  }

  var tokenCount: Int { tokens(text.count) + images * Self.imageTokens + looseTokens }
}
