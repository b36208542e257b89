import PMWire

/// What a request may come to, as far as its body tells.
struct RequestNeed {
  /// The most that its prompt, or its audio, can be: no token is shorter than a byte.
  private let prompt: Usage
  /// By the written rule: a quarter of the prompt's bytes.
  private let promptTokensExpected: Int64
  /// Output tokens of each answer at most; nil if the route gives none.
  private var outputTokensEach: Int64?
  /// What is to be written into the request as its cap; nil if that is not needed.
  private(set) var outputTokensMax: Int64?
  /// Whether the request itself says so.
  private let isCapped: Bool
  private let answers: Int64

  init(_ facts: RequestFacts, _ route: Route) {
    var prompt = Usage()
    let bytes = Int64(facts.bodyBytes)
    if route == .transcriptions {
      // Without a length the bytes tell at most an hour.
      let seconds = min(3600, bytes / 500)
      prompt.audioMilliseconds = facts.audioMilliseconds ?? seconds * 1000
      prompt.bytes = bytes
      promptTokensExpected = 0
    } else {
      prompt.fresh = max(bytes, facts.hasImages ? CoreBounds.imagePromptTokensAssumed : 0)
      promptTokensExpected = (bytes + 3) / 4
    }
    self.prompt = prompt
    let isGenerative = route != .transcriptions && route != .embeddings
    // A cap beyond what any model can say, or below nothing, is no cap.
    let cap = facts.outputTokensMax.flatMap {
      $0 > 0 ? min($0, CoreBounds.outputTokensMax) : nil
    }
    isCapped = cap != nil
    outputTokensEach = isGenerative ? cap ?? CoreBounds.outputTokensAssumedMax : nil
    answers = min(facts.choices, CoreBounds.choicesMax) * min(facts.prompts, CoreBounds.promptsMax)
  }

  /// The most that it can use.
  var worst: Usage {
    var usage = prompt
    usage.output = (outputTokensEach ?? 0) * answers
    return usage
  }

  /// Caps the output at what so much money can pay. False if that is not a token for each answer,
  /// or not even the prompt.
  mutating func fit(into nanoEuro: Int64, at price: PriceRow) -> Bool {
    guard case .nanoEuro(let promptCost) = price.cost(of: prompt), promptCost <= nanoEuro else {
      return false
    }
    guard let each = outputTokensEach,
      let payable = price.outputTokens(beside: prompt.fresh, for: nanoEuro)
    else { return true }
    if payable < each * answers {
      outputTokensEach = payable / answers
      // The model's context is cap enough where it ends first, and a larger one would be refused.
      let isWithinContext = payable / answers <= CoreBounds.outputTokensAssumedMax
        - promptTokensExpected
      outputTokensMax = isCapped || isWithinContext ? outputTokensEach : nil
    }
    return payable >= answers
  }

  /// What token windows count until the truth is known.
  var tokensExpected: Int64 {
    guard let each = outputTokensEach else { return promptTokensExpected }
    let output = isCapped ? each : min(each, CoreBounds.outputTokensExpected)
    return promptTokensExpected + output * answers
  }

  /// The same for the vendor's limits, which a generous cap shall not close for everybody else.
  var amountsExpected: VendorAmounts {
    var amounts = VendorAmounts()
    amounts[.requests] = 1
    amounts[.promptTokens] = promptTokensExpected
    if let each = outputTokensEach {
      amounts[.completionTokens] = min(each, CoreBounds.outputTokensExpected) * answers
      // How many are cached is not known before; none pass while that bucket is empty.
      amounts[.cachedTokens] = 1
    }
    amounts[.audioSeconds] = (prompt.audioMilliseconds + 999) / 1000
    return amounts
  }
}

extension PriceRow {
  /// Output tokens that so much money pays beside a prompt, rounded down; nil if they cost nothing.
  fileprivate func outputTokens(beside prompt: Int64, for nanoEuro: Int64) -> Int64? {
    guard let output, output > 0 else { return nil }
    let picoEuro = Int128(nanoEuro) * 1000 - Int128(prompt) * Int128(input ?? 0)
    return Int64(clamping: max(0, picoEuro) / Int128(output))
  }
}
