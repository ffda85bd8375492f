#!/bin/sh
# ktas_prepare_test.sh - tasks/triage-ktas/prepare on made-up records, and on the study's where they are at hand
# (TAILOR_SHARED, or shared/ beside the repository).
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/shell.sh
prepare=tasks/triage-ktas/prepare

# 80 made-up records; $1 stands in the columns that are known only later, or judge the answer.
records() {
    echo ",Group,Sex,Age,Patients number per hour,Arrival mode,Injury,Chief_complain,Mental,Pain,Systolic BP,Diastolic BP,Heart Rate,Respiratory Rate,Body Temperature,KTAS_Nurse,Diagnosis in ED,Disposition,KTAS_expert,Error_group,Length of stay_min,KTAS duration_min,Mistriage Category,status"
    i=1
    while [ $i -le 80 ]; do
        echo "$i,Local ED 3rd Degree,Female,$((20 + i)),3,Walking,No,\"pain, \"\"sharp\"\"\",Alert,Yes,??,80,70,16,36.5,$1,\"$1, $1\",$1,Emergency,$1,$1,$1,$1,$1"
        i=$((i + 1))
    done
}

all() { cat "$1/train.jsonl" "$1/validation.jsonl" "$1/test.jsonl"; }
same() { cmp -s "$1/train.jsonl" "$2/train.jsonl" && cmp -s "$1/validation.jsonl" "$2/validation.jsonl" && cmp -s "$1/test.jsonl" "$2/test.jsonl"; }

records later >"$work/a.csv"
$prepare "$work/a.csv" "$work/a" >"$work/said"
check "every record is in one split" [ "$(all "$work/a" | sort -u | wc -l)" -eq 80 ]
check "a quoted cell keeps its comma and quotes" \
    grep -qF '"text": "Woman, 21, came on foot, not injured. Complaint: pain, \"sharp\". Alert, in pain. Blood pressure not measured, pulse 70, breaths 16, temperature 36.5.", "label": "emergency"}' "$work/a/train.jsonl" "$work/a/validation.jsonl" "$work/a/test.jsonl"

records other >"$work/b.csv"
$prepare "$work/b.csv" "$work/b" >"$work/said"
check "what is known only later changes no byte" same "$work/a" "$work/b"

{ head -1 "$work/a.csv"; tail -n +2 "$work/a.csv" | sort -r; } | sed 's/$/\r/' >"$work/c.csv"
$prepare "$work/c.csv" "$work/c" >"$work/said"
for split in train validation test; do
    sort "$work/a/$split.jsonl" >"$work/a.sorted"
    sort "$work/c/$split.jsonl" >"$work/c.sorted"
    check "the order of the records and their line ends do not move them out of $split" cmp -s "$work/a.sorted" "$work/c.sorted"
done

sed 's/,Alert,/,Asleep,/' "$work/a.csv" >"$work/d.csv"
$prepare "$work/d.csv" "$work/d" >/dev/null 2>"$work/said"
check "an unknown value is refused" [ $? -ne 0 ]
check "and named with its line" grep -q 'd.csv:2: Mental is "Asleep"' "$work/said"
check "and leaves nothing behind" [ -z "$(ls -A "$work/d")" ]
sed '1s/Mental/Mentl/' "$work/a.csv" >"$work/e.csv"
$prepare "$work/e.csv" "$work/e" >/dev/null 2>"$work/said"
check "a missing column is named" grep -q 'has no column Mental' "$work/said"

shared=${TAILOR_SHARED:-../shared}/data/triage-ktas/train.csv
if [ -r "$shared" ]; then
    $prepare "$shared" "$work/real" >"$work/said"
    check "the 961 records of the study fall to 546, 167 and 248" \
        grep -qx '546 train, 167 validation, 248 test' "$work/said"
    check "551 of them are emergencies" [ "$(all "$work/real" | grep -c '"label": "emergency"}$')" -eq 551 ]
    check "no text is in two splits" [ "$(for s in train validation test; do sed 's/.*"text": //; s/, "label".*//' "$work/real/$s.jsonl" | sort -u; done | sort | uniq -d | wc -l)" -eq 0 ]
else
    skip "the study's records become a task" "$shared is not here"
fi
finish
