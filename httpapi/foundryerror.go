package httpapi

import (
	"strings"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

// foundryError is how errors are told below /api/v2. Message is ours, for our
// clients; the rest is Foundry's.
type foundryError struct {
	ErrorCode       string         `json:"errorCode"`
	ErrorName       string         `json:"errorName"`
	ErrorInstanceID string         `json:"errorInstanceId"`
	Parameters      map[string]any `json:"parameters"`
	Message         string         `json:"message"`
}

// foundryCodes are the error codes of Foundry that stand for a status. There is
// none for the others, which HTTP gives a meaning of its own.
var foundryCodes = map[int]string{
	fasthttp.StatusBadRequest:            "INVALID_ARGUMENT",
	fasthttp.StatusUnauthorized:          "UNAUTHORIZED",
	fasthttp.StatusForbidden:             "PERMISSION_DENIED",
	fasthttp.StatusNotFound:              "NOT_FOUND",
	fasthttp.StatusConflict:              "CONFLICT",
	fasthttp.StatusRequestEntityTooLarge: "REQUEST_ENTITY_TOO_LARGE",
	fasthttp.StatusInternalServerError:   "INTERNAL",
	fasthttp.StatusGatewayTimeout:        "TIMEOUT",
}

func writeFoundryError(ctx *fasthttp.RequestCtx, status int, body errorBody) {
	told := foundryError{
		ErrorCode:       foundryCodes[status],
		ErrorName:       body.name,
		ErrorInstanceID: body.ErrorID,
		Parameters:      body.parameters,
		Message:         body.Message,
	}
	switch {
	case told.ErrorCode != "":
	case status < fasthttp.StatusInternalServerError:
		told.ErrorCode = "CUSTOM_CLIENT"
	default:
		told.ErrorCode = "CUSTOM_SERVER"
	}
	if told.ErrorName == "" {
		told.ErrorName = foundryName(body.Code)
	}
	if told.ErrorInstanceID == "" {
		told.ErrorInstanceID = uuid.NewString()
	}
	if told.Parameters == nil {
		told.Parameters = map[string]any{}
	}
	if body.Hint != "" {
		told.Message += ": " + body.Hint
	}
	text, err := encodeJSON(told)
	if err != nil { // the parameters are what a request said: cannot happen
		text = []byte(`{"errorCode":"INTERNAL","errorName":"Internal","errorInstanceId":"` + told.ErrorInstanceID + `","parameters":{},"message":""}`)
	}
	writeJSON(ctx, status, text)
}

// foundryName is the name of an error that the contract does not name: its code,
// as Foundry writes names.
func foundryName(code runtime.Code) string {
	var name strings.Builder
	for word := range strings.SplitSeq(string(code), "_") {
		if word != "" {
			name.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return name.String()
}
