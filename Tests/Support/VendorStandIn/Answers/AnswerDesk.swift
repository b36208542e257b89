/// An error of the model server, which reaches the client decrypted.
struct ModelError: Error {
  let status: Int
  let type: String
  let message: String

  static func badRequest(_ message: String) -> ModelError {
    ModelError(status: 400, type: "BadRequestError", message: message)
  }

  var body: Bytes {
    let body: JSON = [
      "error": [
        "message": .text(message), "type": .text(type), "param": nil, "code": .int(status),
      ]
    ]
    return body.rendered()
  }
}

/// A successful answer.
enum Answer {
  case whole(Bytes, Usage?)
  case stream(StreamScript)
  /// An answer that is not JSON, which the binary cannot pass.
  case notJSON
}

/// Makes the answer to one call; one extension per endpoint.
struct AnswerDesk {
  let standIn: StandIn
  let call: Call
  let fault: Fault
  let number: Int

  var scenario: Scenario { standIn.scenario }
  var created: JSON { .int(scenario.clockSeconds) }
  var usageMode: UsageMode {
    (fault.usage ?? scenario.usage).settled(for: call.json, isStream: call.isStream)
  }

  /// The name under which the model answers: as asked, unless the fault renames it.
  var modelName: Bytes {
    let name = call.model ?? []
    guard fault.isModelRenamed else { return name }
    return scenario.longName(of: scenario.aliases[name] ?? name)
  }

  func id(_ prefix: String) -> JSON {
    .text("\(prefix)00000000-0000-4000-8000-\(padded(number, 12))")
  }

  func answer() throws(ModelError) -> Answer {
    switch call.route {
    case .models: return .whole(scenario.modelList.rendered(), nil)
    case .unstructured: return unstructured()
    default: break
    }
    let name = call.model ?? []
    guard let model = scenario.model(named: name) else {
      throw ModelError(
        status: 404, type: "NotFoundError", message: "The model `\(name.text)` does not exist.")
    }
    guard model.serves(call.route) else {
      throw ModelError.badRequest("The model `\(name.text)` does not support this endpoint.")
    }
    switch call.route {
    case .embeddings: return try embeddings()
    case .transcriptions: return try transcription()
    case .messages: return try message(model)
    default: return try completion(model)
    }
  }

  /// The usage of a text answer; remembers the prompt under the caller's salt.
  func usage(_ prompt: Prompt, _ completion: Completion, _ model: Model) -> Usage {
    var usage = Usage(prompt: prompt.tokenCount, completion: completion.tokenCount)
    if let salt = call.salt, model.hasPrefixCache {
      usage.cached = standIn.cache.take(prompt.text, salt: salt, model: model.id)
    }
    return usage
  }

  /// Whether a stream was asked for and is given.
  var streams: Bool { call.isStream && !fault.answersUnary }

  private func unstructured() -> Answer {
    let element: JSON = [
      "type": "NarrativeText", "element_id": .text("\(padded(number, 32))"),
      "text": .text(fault.text ?? scenario.text ?? Bytes("Echo: \(call.body.count) bytes")),
      "metadata": [:],
    ]
    return .whole(JSON.array([element]).rendered(), nil)
  }
}
