// The compiler writes the definitions into this file's dependencies, so a changed one is built anew.
#include "hoof_tasks.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char hellaswag[] = {
#embed "tasks/hellaswag.json"
};
static const unsigned char mmlu[] = {
#embed "tasks/mmlu.json"
};
static const unsigned char arc[] = {
#embed "tasks/arc.json"
};
static const unsigned char boolq[] = {
#embed "tasks/boolq.json"
};
static const unsigned char lambada_openai[] = {
#embed "tasks/lambada_openai.json"
};
static const unsigned char lambada_standard[] = {
#embed "tasks/lambada_standard.json"
};
static const unsigned char winogrande[] = {
#embed "tasks/winogrande.json"
};
static const unsigned char piqa[] = {
#embed "tasks/piqa.json"
};
static const unsigned char openbookqa[] = {
#embed "tasks/openbookqa.json"
};
static const unsigned char copa[] = {
#embed "tasks/copa.json"
};
static const unsigned char truthfulqa_mc1[] = {
#embed "tasks/truthfulqa_mc1.json"
};
static const unsigned char truthfulqa_mc2[] = {
#embed "tasks/truthfulqa_mc2.json"
};
static const unsigned char gsm8k[] = {
#embed "tasks/gsm8k.json"
};
static const unsigned char gsm8k_cot[] = {
#embed "tasks/gsm8k_cot.json"
};
static const unsigned char commonsense_qa[] = {
#embed "tasks/commonsense_qa.json"
};
static const unsigned char wikitext[] = {
#embed "tasks/wikitext.json"
};
static const unsigned char arithmetic_ladder[] = {
#embed "tasks/arithmetic_ladder.json"
};
static const unsigned char neutral[] = {
#embed "tasks/neutral.json"
};

#define FILE_OF(name) {#name, name, sizeof name}

const hoof_task_file hoof_task_files[] = {
    FILE_OF(hellaswag),
    FILE_OF(mmlu),
    FILE_OF(arc),
    FILE_OF(boolq),
    FILE_OF(lambada_openai),
    FILE_OF(lambada_standard),
    FILE_OF(winogrande),
    FILE_OF(piqa),
    FILE_OF(openbookqa),
    FILE_OF(copa),
    FILE_OF(truthfulqa_mc1),
    FILE_OF(truthfulqa_mc2),
    FILE_OF(gsm8k),
    FILE_OF(gsm8k_cot),
    FILE_OF(commonsense_qa),
    FILE_OF(wikitext),
    FILE_OF(arithmetic_ladder),
    FILE_OF(neutral),
};
const size_t hoof_task_file_count = sizeof hoof_task_files / sizeof hoof_task_files[0];
