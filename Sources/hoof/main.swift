print("hoof")
