package model

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Hash returns the keyed hash of a value of a column tagged audit:hash, as JSON.
// NULL stays NULL, and nil, which is no value, stays nil.
func Hash(key []byte, raw json.RawMessage) json.RawMessage {
	if raw == nil || string(raw) == "null" {
		return raw
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(raw)
	return json.RawMessage(`"hmac-sha256:` + hex.EncodeToString(mac.Sum(nil)) + `"`)
}
