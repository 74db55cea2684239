package strictjson_test

import (
	"errors"
	"fmt"

	"github.com/faaspot/faaspot/runtime/strictjson"
)

func ExampleCheck() {
	err := strictjson.Check([]byte(`{"items":[1,2,{"n":01}]}`), strictjson.Options{Object: true})
	fmt.Println(err)

	var invalid *strictjson.Error
	if errors.As(err, &invalid) {
		fmt.Println(invalid.Path, invalid.Offset)
	}
	// Output:
	// $.items[2].n: a number must not start with a zero (byte 19)
	// $.items[2].n 19
}
