.PHONY: run test universal
run: ; scripts/run.sh
test: ; scripts/test.sh
universal: ; scripts/universal.sh
