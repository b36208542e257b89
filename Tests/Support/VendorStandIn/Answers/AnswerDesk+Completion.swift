/// `/v1/chat/completions` and `/v1/completions`.
extension AnswerDesk {
  func completion(_ model: Model) throws(ModelError) -> Answer {
    let prompt = Prompt(call.json, call.body)
    guard prompt.tokenCount > 0 else { throw ModelError.badRequest("the prompt is empty") }
    let said = try Completion(prompt, call: call, fault: fault, scenario: scenario)
    let usage = usage(prompt, said, model)
    if streams { return .stream(script(said, usage)) }
    return .whole(whole(said, usage), usageMode == .none ? nil : usage)
  }

  private var isChat: Bool { call.route == .chat }

  private func script(_ said: Completion, _ usage: Usage) -> StreamScript {
    var steps: [StreamScript.Step] = []
    if isChat { steps += (0..<said.choices).map { .open(choice: $0) } }
    for index in said.pieces.indices {
      steps += (0..<said.choices).map { .piece(choice: $0, index: index, block: 0) }
    }
    steps += (0..<said.choices).map { .close(choice: $0) }
    if usageMode != .none { steps.append(.usage) }
    steps.append(.done)
    let head: JSON = [
      "id": id(isChat ? "chatcmpl-" : "cmpl-"),
      "object": isChat ? "chat.completion.chunk" : "text_completion",
      "created": created, "model": .text(modelName),
    ]
    let dialect = OpenAIDialect(
      said: said, usage: usage, mode: usageMode, isChat: isChat, head: head)
    return StreamScript(steps: steps, dialect: dialect)
  }

  private func whole(_ said: Completion, _ usage: Usage) -> Bytes {
    let choice = isChat ? chatChoice(said) : textChoice(said)
    let choices = (0..<said.choices).map { ["index": .int($0)] + choice }
    var body: JSON = [
      "id": id(isChat ? "chatcmpl-" : "cmpl-"),
      "object": isChat ? "chat.completion" : "text_completion",
      "created": created, "model": .text(modelName), "choices": .array(choices),
    ]
    if usageMode != .none { body = body + ["usage": usage.openAI(usageMode)] }
    return (body + ["prompt_logprobs": nil]).rendered()
  }

  private func textChoice(_ said: Completion) -> JSON {
    [
      "text": .text(said.joined(.reasoning) + said.joined(.content)), "logprobs": nil,
      "finish_reason": .text(said.finish.rawValue), "stop_reason": nil,
    ]
  }

  private func chatChoice(_ said: Completion) -> JSON {
    let isTool = said.pieces.contains { $0.kind == .toolName }
    var message: JSON = [
      "role": "assistant", "content": isTool ? nil : .text(said.joined(.content)),
    ]
    let reasoning = said.joined(.reasoning)
    if !reasoning.isEmpty {
      message = message + ["reasoning": .text(reasoning), "reasoning_content": .text(reasoning)]
    }
    var calls: [JSON] = []
    if isTool {
      calls.append([
        "id": "chatcmpl-tool-1", "type": "function",
        "function": [
          "name": .text(said.joined(.toolName)),
          "arguments": .text(said.joined(.toolArguments)),
        ],
      ])
    }
    return [
      "message": message + ["tool_calls": .array(calls)], "logprobs": nil,
      "finish_reason": .text(said.finish.rawValue), "stop_reason": nil,
    ]
  }
}

/// `data: {…}` events, `[DONE]` at the end.
struct OpenAIDialect: Dialect {
  private let said: Completion
  private let usage: Usage
  private let mode: UsageMode
  private let isChat: Bool
  /// `data: {…"choices":`, the same for each chunk of the stream.
  private let prefix: Bytes

  init(said: Completion, usage: Usage, mode: UsageMode, isChat: Bool, head: JSON) {
    self.said = said
    self.usage = usage
    self.mode = mode
    self.isChat = isChat
    prefix = Bytes("data: ") + head.rendered().dropLast() + Bytes(",\"choices\":")
  }

  func event(_ step: StreamScript.Step) -> StreamEvent {
    switch step {
    case .open(let choice):
      let delta: JSON = ["role": "assistant", "content": ""]
      return chunk([choiceChunk(choice, delta)], .framing, completion: 0)
    case .piece(let choice, let index, _):
      let piece = said.pieces[index]
      let delta = isChat ? delta(piece) : .text(piece.bytes)
      let count = said.tokenCount(choice: choice, piece: index)
      return chunk([choiceChunk(choice, delta)], .content, completion: count)
    case .close(let choice):
      let delta: JSON = isChat ? ["content": ""] : ""
      let end = choiceChunk(choice, delta, finish: said.finish)
      return chunk([end], .closing, completion: usage.completion)
    case .usage:
      return line([], usage.openAI(mode), .closing, reporting: usage)
    case .done, .blockStart, .blockStop:
      return StreamEvent(lines: [Bytes("data: [DONE]\n\n")], part: .closing)
    }
  }

  private func choiceChunk(
    _ choice: Int, _ delta: JSON, finish: Completion.Finish? = nil
  ) -> JSON {
    [
      "index": .int(choice), isChat ? "delta" : "text": delta, "logprobs": nil,
      "finish_reason": finish.map { .text($0.rawValue) } ?? .null, "stop_reason": nil,
    ]
  }

  private func delta(_ piece: Completion.Piece) -> JSON {
    switch piece.kind {
    case .content: return ["content": .text(piece.bytes)]
    case .reasoning:
      return ["reasoning": .text(piece.bytes), "reasoning_content": .text(piece.bytes)]
    case .toolName:
      return [
        "tool_calls": [
          [
            "id": "chatcmpl-tool-1", "type": "function", "index": 0,
            "function": ["name": .text(piece.bytes), "arguments": ""],
          ]
        ]
      ]
    case .toolArguments:
      return ["tool_calls": [["index": 0, "function": ["arguments": .text(piece.bytes)]]]]
    }
  }

  /// A chunk with running totals, which never have details.
  private func chunk(
    _ choices: [JSON], _ part: StreamEvent.Part, completion: Int
  ) -> StreamEvent {
    guard mode.isRunning else { return line(choices, nil, part, reporting: nil) }
    let running = Usage(prompt: usage.prompt, completion: completion)
    return line(choices, running.openAI(mode, hasDetails: false), part, reporting: running)
  }

  private func line(
    _ choices: [JSON], _ usage: JSON?, _ part: StreamEvent.Part, reporting: Usage?
  ) -> StreamEvent {
    var line = prefix
    JSON.array(choices).write(to: &line)
    if let usage {
      line.add(",\"usage\":")
      usage.write(to: &line)
    }
    line.add("}\n\n")
    return StreamEvent(lines: [line], part: part, usage: reporting)
  }
}
