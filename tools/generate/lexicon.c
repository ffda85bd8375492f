/* lexicon.c - the table of words.
 *
 * A plus after a word makes it a label, an exclamation mark holds it out of labels.  The first words of a
 * kind are the most frequent ones in text (tl_tell draws low ranks more often).  No word stands twice. */
#include "lexicon.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    char kind;
    const char *title; /* plural, for sentences about words; NULL where there is none */
    const char *words;
} kinds[] = {
    { 'a', "animals",
      "dog+ cat+ horse+ cow+ sheep+ goat+ hen! duck+ pig+ mouse+ fox+ wolf! bear+ deer! rabbit+ goose+ lion+ tiger! "
      "owl+ crow+ eagle+ swan! frog+ snake! bee+ ant! spider+ otter! whale+ seal+ moth+ crab+" },
    { 'b', "body parts",
      "head chest back arm leg knee foot hand eye ear nose throat belly neck hip shoulder ankle wrist finger toe jaw "
      "tooth skin lung heart elbow rib heel" },
    { 'c', "colors",
      "red+ blue+ green+ black+ white+ yellow+ brown+ gray+ pink! purple+ orange! gold+ silver! amber!" },
    { 'd', NULL, "monday tuesday wednesday thursday friday saturday sunday" },
    { 'e', NULL, "good happy kind calm lovely great fine gentle clever brave sweet proud" },
    { 'f', "foods",
      "bread+ rice+ soup+ milk+ tea+ apple+ egg+ cheese+ fish+ butter! sugar salt+ honey+ bean+ corn+ onion+ pear+ "
      "plum! lemon+ grape+ carrot! cake+ nut+ jam!" },
    { 'h', NULL, "bad sad rude awful dull angry bitter nasty ugly poor cruel lazy" },
    { 'i', "instruments", "piano drum flute violin guitar trumpet harp horn organ banjo cello bell" },
    { 'j', "people",
      "nurse doctor child woman man teacher farmer driver baker clerk guard student singer sailor tailor butcher "
      "porter "
      "judge miller hunter" },
    { 'k', "clothes", "coat+ shirt+ shoe+ hat+ glove! scarf+ boot+ belt+ dress! sock+ cap+ apron" },
    { 'l', "places",
      "house school market garden kitchen station street farm bridge office church library shop harbor forest river "
      "village hotel tower field hall beach mill castle cellar island" },
    { 'm', "materials",
      "wood+ iron+ glass+ stone+ paper+ wool+ cotton! leather clay+ sand+ steel! copper+ wax+ brick+" },
    { 'n', "names",
      "anna ben carla david emma felix greta henry ida jonas karl lena mara nils olga paul rita sven tina otto hugo "
      "nora ruth max" },
    { 'o', "tools",
      "hammer+ chisel+ drill+ needle+ rope+ bucket+ shovel! ladder+ brush+ knife+ spoon+ fork! pan+ kettle+ lamp+ "
      "candle+ "
      "mirror! clock+ pencil+ ruler! basket+ key+ box+ bag+ nail+ axe+" },
    { 'p', "plants", "oak+ pine+ rose+ grass+ moss! fern+ ivy+ willow! lily+ tulip+ elm+ reed!" },
    { 'q', NULL,
      "small big old new long short wide heavy light dry wet sharp soft hard round flat clean dirty warm cold fresh "
      "quiet" },
    { 'r', "kinds of weather", "rain snow wind fog storm sun cloud frost hail thunder heat drizzle" },
    { 's', "symptoms",
      "pain fever cough rash swelling cramp itch nausea vomiting bleeding headache burn bruise numbness weakness "
      "chills "
      "sweating wheezing fainting stiffness" },
    { 't', NULL, "morning evening night noon week month spring summer autumn winter" },
    { 'u', "measures", "pulse temp weight oxygen pressure height" },
    { 'v', "vehicles", "car bus train boat bike truck ship plane tram wagon ferry sled" },
    { 'w', NULL,
      "saw found took gave held moved cleaned carried opened closed bought sold washed painted fixed broke lost kept "
      "brought dropped" },
    { 'x', "remedies", "pill drops syrup bandage cream tablet mask cast plaster spray" },
    { 'y', NULL, "rtv brk lmk qsp vno dux zet kip wol jat" },
    { 'z', "departments", "surgery imaging dental records pharmacy laundry" },
    { '1', "letters", "b+ c+ d+ e+ f+ g+ h+ j+ k+ l+ m+ n+ o! p+ q+ r+ s+ t+ u+ v+ w! x+ y+ z+" },
    { '2', NULL,
      "plan+ rule+ game+ song+ word+ story+ price+ number+ question answer list+ note idea! gift+ debt! prize+ trade+ "
      "dream! luck+ peace! trust+" },
    { '3', NULL, "slowly quickly gladly often seldom never always almost" },
    { '4', "shapes", "circle+ square+ line+ dot+ cross+ star+ arrow! cube+ ring+ wave! knot+ arch+" },
    { '5', NULL, "mother father sister brother son daughter uncle aunt cousin baby" },
    { '6', NULL, "walked waited slept talked laughed cried stayed worked played sang stood sat" },
    { '7', NULL, "north+ south+ east+ west! left+ right+ front+ top+ bottom! middle+ inner+ outer!" },
    { '8', NULL,
      "yes+ open+ hot+ cool+ full+ empty+ fast+ slow+ early+ late! first+ second+ third+ last! high+ low+ true+ false+ "
      "up+ down+ day+ moon+ sea+ hill+ lake+ road+ fire+ water+ air+ earth! ice+ gate+ door+ wall+ roof! floor+ chair+ "
      "table+ bed+ cup+ book+ page+ pen+ map+ card+ coin+ ticket! flag+ stamp+ ball+ toy+ kite! bow+ tent+ path+ port! "
      "camp+ park+ pool+ desk+ shelf+ wheel+ engine! sail+ anchor+ bolt+ chain+ hook+ pipe+ tube! wire+ plug+ seed+ "
      "root+ leaf+ branch! fruit+ nest+ feather+ shell+ bone+ tail+ wing! paw+" },
    { '9', NULL, "immediate+ urgent+ soon+ routine+ home+" },
    { '0', NULL, "history exam orders social past review advice" },
};

enum {
    KINDS = sizeof kinds / sizeof kinds[0],
    POOL = 16384
};

static struct {
    const char *word; /* into pool */
    char kind;
    tl_role role;
} words[TL_LEXICON_MAX];

static char pool[POOL];
static int count;
static int first_of[128], size_of[128];
static int of_role[3][TL_LEXICON_MAX], role_size[3];
static int sorted[TL_LEXICON_MAX]; /* ids by spelling, for tl_lexicon_find */

static int by_spelling(const void *a, const void *b)
{
    return strcmp(words[*(const int *)a].word, words[*(const int *)b].word);
}

void tl_lexicon_init(void)
{
    if (count) return;
    int used = 0;
    for (int k = 0; k < KINDS; k++) {
        int letter = (unsigned char)kinds[k].kind;
        first_of[letter] = count;
        for (const char *s = kinds[k].words; *s;) {
            int n = (int)strcspn(s, " +!");
            assert(count < TL_LEXICON_MAX && used + n + 1 <= POOL);
            memcpy(pool + used, s, (size_t)n);
            words[count].word = pool + used;
            words[count].kind = (char)letter;
            used += n + 1;
            s += n;
            tl_role role = *s == '+' ? TL_ROLE_LABEL : *s == '!' ? TL_ROLE_HELD : TL_ROLE_PLAIN;
            if (role != TL_ROLE_PLAIN) s++;
            words[count].role = role;
            of_role[role][role_size[role]++] = count;
            sorted[count] = count;
            count++;
            while (*s == ' ') s++;
        }
        size_of[letter] = count - first_of[letter];
    }
    qsort(sorted, (size_t)count, sizeof sorted[0], by_spelling);
    for (int i = 1; i < count; i++) assert(strcmp(words[sorted[i - 1]].word, words[sorted[i]].word) != 0);
}

int tl_lexicon_count(void)
{
    return count;
}

const char *tl_lexicon_word(int id)
{
    assert(id >= 0 && id < count);
    return words[id].word;
}

tl_role tl_lexicon_role(int id)
{
    return words[id].role;
}

char tl_lexicon_kind(int id)
{
    return words[id].kind;
}

int tl_lexicon_first(char kind)
{
    return first_of[kind & 127];
}

int tl_lexicon_size(char kind)
{
    return size_of[kind & 127];
}

const char *tl_lexicon_title(char kind)
{
    for (int k = 0; k < KINDS; k++)
        if (kinds[k].kind == kind) return kinds[k].title;
    return NULL;
}

int tl_lexicon_find(const char *word)
{
    int low = 0, high = count;
    while (low < high) {
        int middle = (low + high) / 2, order = strcmp(words[sorted[middle]].word, word);
        if (order == 0) return sorted[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

const int *tl_lexicon_of_role(tl_role role, int *n)
{
    *n = role_size[role];
    return of_role[role];
}
