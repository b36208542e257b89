/// `/v1/messages`, in Anthropic's shape.
extension AnswerDesk {
  func message(_ model: Model) throws(ModelError) -> Answer {
    guard call.json["max_tokens"]?.integer != nil else {
      throw ModelError.badRequest("max_tokens: field required")
    }
    let prompt = Prompt(call.json, call.body)
    guard prompt.tokenCount > 0 else { throw ModelError.badRequest("the prompt is empty") }
    let said = try Completion(prompt, call: call, fault: fault, scenario: scenario)
    let usage = usage(prompt, said, model)
    let head: JSON = [
      "id": id("msg_"), "type": "message", "role": "assistant", "model": .text(modelName),
    ]
    let dialect = AnthropicDialect(said: said, usage: usage, mode: usageMode, head: head)
    if streams { return .stream(StreamScript(steps: steps(said), dialect: dialect)) }
    return .whole(dialect.whole.rendered(), usageMode == .none ? nil : usage)
  }

  /// A content block for each run of pieces of one kind; tool name and arguments share theirs.
  private func steps(_ said: Completion) -> [StreamScript.Step] {
    var steps: [StreamScript.Step] = [.open(choice: 0)]
    var block = -1
    for (index, piece) in said.pieces.enumerated() {
      let isNew = index == 0 || said.pieces[index - 1].kind != piece.kind
      if isNew && piece.kind != .toolArguments {
        if block >= 0 { steps.append(.blockStop(block)) }
        block += 1
        steps.append(.blockStart(block, piece.kind))
      }
      if piece.kind != .toolName { steps.append(.piece(choice: 0, index: index, block: block)) }
    }
    if block >= 0 { steps.append(.blockStop(block)) }
    return steps + [.close(choice: 0), .done]
  }
}

/// `event:` line, `data:` line, and a blank line after the data only.
struct AnthropicDialect: Dialect {
  let said: Completion
  let usage: Usage
  let mode: UsageMode
  let head: JSON

  private var stopReason: JSON {
    switch said.finish {
    case .stop: "end_turn"
    case .length: "max_tokens"
    case .toolCalls: "tool_use"
    }
  }

  /// The whole message, for an answer that is not streamed.
  var whole: JSON {
    var content: [JSON] = []
    let reasoning = said.joined(.reasoning)
    if !reasoning.isEmpty {
      content.append(["type": "thinking", "thinking": .text(reasoning), "signature": ""])
    }
    let name = said.joined(.toolName)
    if name.isEmpty {
      content.append(["type": "text", "text": .text(said.joined(.content))])
    } else {
      let input = said.joined(.toolArguments)
      content.append([
        "type": "tool_use", "id": "toolu_1", "name": .text(name),
        "input": (try? JSONReader.read(input)) == nil ? [:] : .raw(input),
      ])
    }
    let body =
      head + [
        "content": .array(content), "stop_reason": stopReason, "stop_sequence": nil,
      ]
    return mode == .none ? body : body + ["usage": usage.anthropic(mode)]
  }

  func event(_ step: StreamScript.Step) -> StreamEvent {
    switch step {
    case .open: return open
    case .blockStart(let block, let kind): return start(block, kind)
    case .piece(_, let index, let block): return delta(said.pieces[index], block)
    case .blockStop(let block):
      return named("content_block_stop", ["index": .int(block)], .framing)
    case .close, .usage:
      let delta: JSON = ["delta": ["stop_reason": stopReason, "stop_sequence": nil]]
      guard mode != .none else { return named("message_delta", delta, .closing) }
      let full = delta + ["usage": usage.anthropic(mode)]
      return named("message_delta", full, .closing, reporting: usage)
    case .done: return named("message_stop", [:], .closing)
    }
  }

  private var open: StreamEvent {
    var message = head + ["content": [], "stop_reason": nil, "stop_sequence": nil]
    let known = mode.isRunning ? Usage(prompt: usage.prompt, cached: usage.cached) : Usage()
    if mode != .none { message = message + ["usage": known.anthropic(mode)] }
    return named(
      "message_start", ["message": message], .framing, reporting: mode.isRunning ? known : nil)
  }

  private func start(_ block: Int, _ kind: Completion.Piece.Kind) -> StreamEvent {
    let content: JSON =
      switch kind {
      case .reasoning: ["type": "thinking", "thinking": "", "signature": ""]
      case .content: ["type": "text", "text": ""]
      case .toolName, .toolArguments:
        [
          "type": "tool_use", "id": "toolu_1", "name": .text(said.joined(.toolName)), "input": [:],
        ]
      }
    let members: JSON = ["index": .int(block), "content_block": content]
    return named("content_block_start", members, .framing)
  }

  private func delta(_ piece: Completion.Piece, _ block: Int) -> StreamEvent {
    let delta: JSON =
      switch piece.kind {
      case .reasoning: ["type": "thinking_delta", "thinking": .text(piece.bytes)]
      case .content: ["type": "text_delta", "text": .text(piece.bytes)]
      case .toolName, .toolArguments:
        ["type": "input_json_delta", "partial_json": .text(piece.bytes)]
      }
    return named("content_block_delta", ["index": .int(block), "delta": delta], .content)
  }

  private func named(
    _ name: String, _ members: JSON, _ part: StreamEvent.Part, reporting: Usage? = nil
  ) -> StreamEvent {
    let data: JSON = ["type": .text(name)] + members
    let lines = [Bytes("event: \(name)\n"), Bytes("data: ") + data.rendered() + Bytes("\n\n")]
    return StreamEvent(lines: lines, part: part, usage: reporting)
  }
}
