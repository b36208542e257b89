/// Which API family's error envelope an answer uses.
public enum Dialect: Sendable {
  case openAI, anthropic
}

/// Everything the public listener answers through core. What is not in this table is not served.
public enum Route: UInt8, CaseIterable, Sendable {
  case chat, completions, messages, embeddings, transcriptions, models, model, keyInfo

  /// The whole path; for `model`, the prefix before the model's id.
  public var path: StaticString {
    switch self {
    case .chat: "/v1/chat/completions"
    case .completions: "/v1/completions"
    case .messages: "/v1/messages"
    case .embeddings: "/v1/embeddings"
    case .transcriptions: "/v1/audio/transcriptions"
    case .models: "/v1/models"
    case .model: "/v1/models/"
    case .keyInfo: "/auth/key-info"
    }
  }

  public var isPost: Bool {
    switch self {
    case .chat, .completions, .messages, .embeddings, .transcriptions: true
    case .models, .model, .keyInfo: false
    }
  }

  /// The methods of an `Allow` field.
  public var methods: StaticString { isPost ? "POST, OPTIONS" : "GET, HEAD, OPTIONS" }

  public var dialect: Dialect { self == .messages ? .anthropic : .openAI }

  /// The word for the route in logs and in the ledger; the predecessor's where it had one.
  public var word: StaticString {
    switch self {
    case .chat: "chat"
    case .completions: "completions"
    case .messages: "messages"
    case .embeddings: "embeddings"
    case .transcriptions: "transcriptions"
    case .models: "models"
    case .model: "model"
    case .keyInfo: "key-info"
    }
  }
}
