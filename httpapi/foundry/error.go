package foundry

import (
	"strings"

	"github.com/google/uuid"
	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/httpapi/wire"
)

// ErrorCodes are Foundry's error codes by status. It has none for statuses with a meaning of
// their own in HTTP.
var ErrorCodes = map[int]string{
	fasthttp.StatusBadRequest:            "INVALID_ARGUMENT",
	fasthttp.StatusUnauthorized:          "UNAUTHORIZED",
	fasthttp.StatusForbidden:             "PERMISSION_DENIED",
	fasthttp.StatusNotFound:              "NOT_FOUND",
	fasthttp.StatusConflict:              "CONFLICT",
	fasthttp.StatusRequestEntityTooLarge: "REQUEST_ENTITY_TOO_LARGE",
	fasthttp.StatusInternalServerError:   "INTERNAL",
	fasthttp.StatusGatewayTimeout:        "TIMEOUT",
}

// writeError answers with an error in the form of this dialect.
func writeError(ctx *fasthttp.RequestCtx, status int, e web.ErrorReport) {
	response := wire.FoundryError{
		ErrorCode:       ErrorCodes[status],
		ErrorName:       e.Name,
		ErrorInstanceID: e.ErrorID,
		Parameters:      e.Parameters,
		Message:         e.Message,
	}
	switch {
	case response.ErrorCode != "":
	case status < fasthttp.StatusInternalServerError:
		response.ErrorCode = "CUSTOM_CLIENT"
	default:
		response.ErrorCode = "CUSTOM_SERVER"
	}
	if response.ErrorName == "" {
		response.ErrorName = errorName(e.Code)
	}
	if response.ErrorInstanceID == "" {
		response.ErrorInstanceID = uuid.NewString()
	}
	if response.Parameters == nil {
		response.Parameters = map[string]any{}
	}
	if e.Hint != "" {
		response.Message += ": " + e.Hint
	}
	response.ErrorDescription = response.Message
	text, err := web.EncodeJSON(response)
	if err != nil { // the parameters are texts and JSON of the request: cannot happen
		text = []byte(`{"errorCode":"INTERNAL","errorName":"Internal","errorDescription":"","errorInstanceId":"` + response.ErrorInstanceID + `","parameters":{},"message":""}`)
	}
	web.WriteJSON(ctx, status, text)
}

// errorName returns the name of an error that Foundry does not define: the code in camel case.
func errorName(code string) string {
	var name strings.Builder
	for word := range strings.SplitSeq(code, "_") {
		if word != "" {
			name.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return name.String()
}
