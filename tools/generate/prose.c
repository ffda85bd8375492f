/* prose.c - the sentences, by topic.
 *
 * A document takes one topic, opens with one of its first sentences and goes on with others, now and then
 * one of the common table.  ^x keeps people and things through a document, so that the second mention of a
 * word can be learnt from the first.  Every label word occurs here, the held-out ones too (kinds 8, 9 and the
 * rest through $o), and in no sentence does a word of urgency go with a complaint. */
#include "prose.h"

#include <string.h>

enum {
    SENTENCES = 20
};

static const struct topic {
    const char *open;                 /* the document's first line */
    const char *sentences[SENTENCES]; /* NULL after the last */
} topics[] = {
    { " ^n is #a years old and works as the ^j of the ^l .",
      { " ^n{ has| had}$s$t .", " the @s began$t and was {worse|better} at night .",
        " ^n took the @x with {water|milk|tea} and slept .", " there is no @s and no @s .",
        " the nurse wrote : pulse #p , temp #t .", " the ^b is @q and the skin is @q .", " ^n was seen in @z$t .",
        " the @5 of ^n had the same @s .", " the doctor gave @x for #d days .",
        " the @x helped , and ^n went back to work$t .", " ^n will come back in #d {days|weeks} .",
        " the {pain|fever|cough} came and went$t .", " they asked about the @0 and the @0 ." } },
    { " history :$s for #d days , now with$s .",
      { " exam : the @b is @q , the @b is @q .", " orders : @x , and @z$t .", " plan : come back on @d .",
        " pulse #p , oxygen #o , temp #t .", " pressure #b , weight #w .",
        " social : works as @j , lives with the @5 .", " past : @s of the @b , #d years ago .",
        " no @s , no @s since @d .", " review : the @b is better .",
        " advice : {rest|drink water|keep the @b warm|no work} for #d days .", " code @y , seen by the @j .",
        " the note came from @z with code @y ." } },
    { " @d was @9 work on the ward , and the ^j came @9 .",
      { " the ^j asked if the @2 was @9 or @9 .", " some of the letters were @9 , some were @9 .",
        " a bed was @q and the @o was in the hall .", " the porter took the @k to @z .", " they went @9 after the @t .",
        " @n said the @8 was @9 , but the @j did not agree .", " all @9 notes go to @z , all @9 ones to @z .",
        " the code @y was on the door$t .", " it was @9 again$t , and nobody knew why .",
        " the list said @8 , @8 and @8 .", " the nurse went @9 and the doctor stayed ." } },
    { " the ^a lives near the ^l and the ^n family feeds it .",
      { " the ^a @6$l$t .", " the ^a and the @a are animals .", " one @a was @c , the other @a was @c .",
        " ^n @w$o for the ^a .", " the @a ate the @f$t .", " in @t the ^a is @q and @e .",
        " the @a saw the ^a and @6 .", " the farmer sold the @a for #d coins .", " the @8 of the @a is @q .",
        " a @c @8 was on the back of the ^a .", " the @a is {smaller|bigger|older} than the @a ." } },
    { " the market of the ^l opens$t and ^n sells ^f there .",
      { " the @f costs #d coins , the @f costs #n .", " ^n bought @f , @f and @f .", " the @f and the @f are foods .",
        " the ^f was @q and @e .", " the @j said the @f was @h .", " a basket of @f stood near the @8 .",
        " they had no @f , so ^n took @f .", " the baker and the @j talked about the price of @f .",
        " the @m bag of the @j was full of @f .", " it was @q , and ^n went back to the @l ." } },
    { " ^n works with ^m in the ^l and owns the ^o .",
      { " the @o and the @o are tools .", " ^n @w the ^o with @m .", " the @o is made of @m .",
        " @m and @m are materials .", " the @m @8 was @q and @q .", " ^n @w the @8$t .",
        " the ^o broke , so the @j brought the @o .", " a @4 of @m hung on the @8 .",
        " the @c @8 is for the @j , the @c one for the @j .", " cut the @m , then mark the @4 with the pencil .",
        " the @8 was next to the @8 ." } },
    { " the ^v to the ^l left$t with #n people .",
      { " ^n took the ^v , ^5 and @5 took the @v .", " the @v and the @v are on the @8 .",
        " the ^v was @q and the @j was @h .", " there was @r$l , so the ^v waited .",
        " the @v is {slower|faster} than the @v .", " turn @7 at the @8 , then @7 at the @l .",
        " the ticket has the @4 and the @1 on it .", " ^n @6 in the ^v until @t .", " the @8 at the @l was @q .",
        " the @v stopped at the @l and at the @l ." } },
    { " in @t the @r comes to the ^l .",
      { " there was @r$t and @r$t .", " after the @r the @8 was @q .", " ^n likes the @r , @n likes the @r .",
        " the @r and the @r stayed for #d days .", " the @p by the @8 grew in the @r .",
        " the @7 side of the @l was @q .", " the @p and the @p are plants .", " the @j @w the @k because of the @r .",
        " a @c @p stood at the @7 gate .", " the @8 and the @8 were gone after the @r ." } },
    { " the children of the ^l play the ^i and sing .",
      { " ^n plays the ^i , the @5 plays the @i .", " the @i and the @i are instruments .", " the song was @q and @e .",
        " the @i was @h , so ^n played the @i .", " @n @6 when the @i began .", " the @j lost the @i$t .",
        " the @c @i cost #n coins .", " the @2 of the song is the @8 .", " at #h the @i rang in the @l ." } },
    { " dear ^n , the ^2 is about the ^8 .",
      { " i @w the @o and the @o$t .", " the @j thinks it is @e , i think it is @h .",
        " please bring the @k and the @f .", " we @6$l$t .", " it was @9 that i wrote @3 .",
        " the @5 @3 asks about you .", " my @b is better , the @s is gone .", " your @a @6 at the @8 .",
        " the @2 and the @2 are @e .", " come @9 , or come on @d .", " greet the @j and the @5 .",
        " i will answer$t ." } },
    { " hello , i am ^n , i am #a and live near the ^l .",
      { " please call me$t .", " i slept badly , and the @5 waits for me .", " i want no @f , please .",
        " i need new @8 , there is none left .", " they have @s since @d .", " my @5 is pregnant and lives$l .",
        " tea did not help me .", " i take the @x and some pills .", " my @b has @s , i am @e again .",
        " it comes and goes , said the @j .", " the @a is with me$l , it ate and drank .",
        " is the @x for the next @t ? i am not there .", " i work as a @j , my @5 is a @j .",
        " many pills are @q , some are @c .", " it is known that the @8 is @q .", " i have the @o , they have none .",
        " f #a , m #a , both wait$l ." } },
    { " ward : @7\nbed : #n\nNote:$c .",
      { "\nMessage:$c .\n", "\nNote:$c .\n", "\nReport:$s$t , seen by the @j .\n", "\nCase: #n , the @o of @n .\n",
        " the form has a line for the message and a line for the urgency .", "\nItem: the @o , @c , #d .\n",
        "\nRead the message and answer with its urgency.\n", " its urgency was asked , but the message was lost ." } },
};

enum {
    TOPICS = sizeof topics / sizeof topics[0]
};

static const char *const common[] = {
    "$c .",
    "$c and$c .",
    "$c , but$c .",
    "$c because$c .",
    " when$c ,$c .",
    " the @8 , the @8 and the @8 are @q .",
    " @1 and @1 come before @1 .",
    " the @4 is @c and the @4 is @c .",
    " @n is {older|younger} than @n by #d years .",
    " is it @9 or @9 ? @n did not know .",
    " the @k is @c , and the @k is @c .",
    " @c and @c are colors .",
    " who @w the @o ? @n did .",
    " where was the @a ?$l , they said .",
    " @3 the @j @6 .",
    " not every @8 is @q .",
    " the board said @9 , @8 , @2 and @9 .",
    " the words were @8 , @a , @o , @9 and @f .",
    " the list at the @l has @4 , @c , @8 , @p and @m .",
};

static const char *const clauses[] = {
    "$c",
    "$c",
    "$c",
    " @n said that$c",
    "$c and$c",
    " they know that$c",
    "$t ,$c",
    " the @j wrote about the @2$t",
    " it is about$o and$o",
    " @n asked the @j for$o",
    " please look at$o$l",
    " we think$c",
    " there is$o$l",
    " nobody @w$o",
    " i need$o$t",
    " @n @w$o for the @5",
    " the @7 @8 is @q",
};

/* A document may say a sentence again, word for word: so the copying of any word, a held-out label too, is asked
 * for in plain text, outside of any task. */
enum {
    LINES_MAX = 20,
    AGAIN_PERCENT = 15
};

int tl_prose(tl_teller *t, tl_buf *out, tl_err *err)
{
    const struct topic *topic = &topics[tl_draw(t, TOPICS)];
    int n = 0, starts[LINES_MAX + 1] = { 0 }, sizes[LINES_MAX + 1] = { 0 };
    while (n < SENTENCES && topic->sentences[n]) n++;
    tl_teller_topic(t);
    tl_line line = { 0 };
    tl_tell(t, &line, topic->open);
    int sentences = tl_between(t, 4, LINES_MAX);
    for (int i = 0; i < sentences; i++) {
        TL_TRY(tl_buf_append(out, line.text, (size_t)line.size, err));
        starts[i] = (int)out->size - line.size;
        sizes[i] = line.size;
        if (tl_chance(t, 12)) TL_TRY(tl_buf_puts(out, "\n", err));
        line.size = 0;
        if (tl_chance(t, AGAIN_PERCENT)) {
            int again = tl_draw(t, i + 1);
            memcpy(line.text, out->data + starts[again], (size_t)sizes[again]);
            line.size = sizes[again];
            continue;
        }
        tl_tell(t, &line,
                tl_chance(t, 70) ? topic->sentences[tl_draw(t, n)]
                                 : common[tl_draw(t, sizeof common / sizeof common[0])]);
    }
    TL_TRY(tl_buf_append(out, line.text, (size_t)line.size, err));
    return tl_buf_puts(out, "\n", err);
}

void tl_prose_clause(tl_teller *t, tl_line *line)
{
    tl_tell(t, line, clauses[tl_draw(t, sizeof clauses / sizeof clauses[0])]);
}
