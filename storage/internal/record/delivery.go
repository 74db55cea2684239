package record

import (
	"encoding/json"

	"github.com/faaspot/faaspot/runtime"
)

// EncodeDelivery returns the JSON object of a delivery.
func EncodeDelivery(d runtime.Delivery) ([]byte, error) {
	value, err := json.Marshal(d)
	return append([]byte{EncodingJSON}, value...), err
}

// DecodeDelivery decodes what EncodeDelivery returns. The body is set if an earlier release has
// stored it in the same record.
func DecodeDelivery(value []byte) (d runtime.Delivery, err error) {
	text, err := Body(value, EncodingJSON)
	if err == nil {
		err = json.Unmarshal(text, &d)
	}
	if len(d.Body) > 0 {
		d.BodySize = len(d.Body)
	}
	return d, err
}
