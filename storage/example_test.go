package storage_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/faaspot/faaspot/storage"
)

func Example() {
	dir, err := os.MkdirTemp("", "faaspot-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := storage.Open(storage.Options{Dir: filepath.Join(dir, "store")})
	if err != nil {
		log.Print(err)
		return
	}
	defer store.Close()
	if err := store.PutSetting("greeting", []byte("hello")); err != nil {
		log.Print(err)
		return
	}
	value, err := store.Setting("greeting")
	fmt.Println(string(value), err)
	// Output: hello <nil>
}
