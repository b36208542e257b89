/// `/v1/embeddings`: vectors of no meaning, the same for the same text.
extension AnswerDesk {
  private static let dimensionsMax = 2560
  /// Components are whole ten-thousandths, which both forms can show exactly enough.
  private static let scale = 10_000

  func embeddings() throws(ModelError) -> Answer {
    let request = call.json
    let dimensions = request["dimensions"]?.integer ?? Self.dimensionsMax
    guard (1...Self.dimensionsMax).contains(dimensions) else {
      throw ModelError.badRequest("dimensions must be between 1 and \(Self.dimensionsMax)")
    }
    let inputs = Self.inputs(request["input"])
    guard !inputs.isEmpty else { throw ModelError.badRequest("input: field required") }
    let isBase64 = request["encoding_format"]?.string?.isEqual(to: "base64") == true
    let data = inputs.enumerated().map { index, input -> JSON in
      let vector = Self.vector(input, dimensions)
      let shown = isBase64 ? JSON.text(Self.packed(vector)) : .raw(Self.spelled(vector))
      return ["index": .int(index), "object": "embedding", "embedding": shown]
    }
    let usage = Usage(prompt: Prompt(request, call.body).tokenCount)
    var body: JSON = [
      "id": id("embd-"), "object": "list", "created": created, "model": .text(modelName),
      "data": .array(data),
    ]
    if usageMode != .none {
      body =
        body + ["usage": usage.openAI(usageMode) + ["prompt_tokens_details": nil]]
    }
    return .whole(body.rendered(), usageMode == .none ? nil : usage)
  }

  /// One entry for each vector: a text, a list of texts, tokens, or a list of token lists.
  private static func inputs(_ input: JSON?) -> [Bytes] {
    switch input {
    case .text(let text): return [text]
    case .array(let elements):
      if case .number? = elements.first { return [JSON.array(elements).rendered()] }
      return elements.map { $0.string ?? $0.rendered() }
    default: return []
    }
  }

  /// Steps of Knuth's MMIX generator, seeded with the text.
  private static func vector(_ input: Bytes, _ dimensions: Int) -> [Int] {
    var state = PromptCache.chain(0, input[...])
    return (0..<dimensions).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % (2 * scale - 1) - (scale - 1)
    }
  }

  private static func spelled(_ vector: [Int]) -> Bytes {
    var text: Bytes = []
    text.reserveCapacity(vector.count * 8 + 2)
    text.append(UInt8(ascii: "["))
    for (index, component) in vector.enumerated() {
      if index > 0 { text.append(UInt8(ascii: ",")) }
      if component < 0 { text.append(UInt8(ascii: "-")) }
      text.append(contentsOf: [UInt8(ascii: "0"), UInt8(ascii: ".")])
      var divisor = scale / 10
      while divisor > 0 {
        text.append(UInt8(ascii: "0") + UInt8(abs(component) / divisor % 10))
        divisor /= 10
      }
    }
    text.append(UInt8(ascii: "]"))
    return text
  }

  /// 32-bit floats, least significant byte first.
  private static func packed(_ vector: [Int]) -> Bytes {
    var bytes: Bytes = []
    bytes.reserveCapacity(vector.count * 4)
    for component in vector {
      let bits = (Float(component) / Float(scale)).bitPattern
      for shift in stride(from: UInt32(0), to: 32, by: 8) {
        bytes.append(UInt8(truncatingIfNeeded: bits >> shift))
      }
    }
    return bytes.base64
  }
}
